/**
 * Recursive descent over Lua 5.1's grammar (reference manual, section 8), with the messages and the nesting limit of its lparser.c.
 */
import type {
  BinaryOperator,
  Block,
  CallNode,
  Expression,
  FunctionNode,
  IndexNode,
  MethodCallNode,
  NameNode,
  Statement,
  TableItem,
  UnaryOperator,
} from './ast.ts';
import { Lexer } from './lexer.ts';

/** How deep statements and expressions may nest (LUAI_MAXCCALLS). */
const MAX_LEVELS = 200;
const UNARY_PRIORITY = 8;
/** [left, right]: a right priority below the left one makes the operator right associative. */
const PRIORITY: Readonly<Record<string, readonly [number, number]>> = {
  or: [1, 1],
  and: [2, 2],
  '<': [3, 3],
  '>': [3, 3],
  '<=': [3, 3],
  '>=': [3, 3],
  '~=': [3, 3],
  '==': [3, 3],
  '..': [5, 4],
  '+': [6, 6],
  '-': [6, 6],
  '*': [7, 7],
  '/': [7, 7],
  '%': [7, 7],
  '^': [10, 9],
};
const BLOCK_ENDS = new Set(['else', 'elseif', 'end', 'until']);

export function createFunctionNode(line: number): FunctionNode {
  return {
    kind: 'function',
    parameters: [],
    isVararg: false,
    usesVararg: false,
    body: [],
    line,
    endLine: line,
    parameterVariables: [],
    argVariable: null,
    captures: new Set(),
    parent: null,
    self: null,
    hasLoop: false,
  };
}

class Parser {
  private readonly lexer: Lexer;
  private current: FunctionNode;
  private levels = 0;
  private loopDepth = 0;

  constructor(source: string, chunkName: string) {
    this.current = createFunctionNode(0);
    this.lexer = new Lexer(source, chunkName);
  }

  chunk(): FunctionNode {
    this.current.isVararg = true;
    // The main function has no table `arg`.
    this.current.usesVararg = true;
    this.current.body = this.block();
    if (this.lexer.kind !== 'eof') this.failExpected('<eof>');
    this.current.endLine = this.lexer.line;
    return this.current;
  }

  private is(text: string): boolean {
    const { lexer } = this;
    return lexer.text === text && (lexer.kind === 'symbol' || lexer.kind === 'keyword');
  }
  private accept(text: string): boolean {
    if (!this.is(text)) return false;
    this.lexer.next();
    return true;
  }
  private failExpected(what: string): never {
    this.lexer.fail(`'${what}' expected`);
  }
  private expect(text: string): void {
    if (!this.accept(text)) this.failExpected(text);
  }
  /** The token that closes what `opened` opened on `line`. */
  private expectMatch(text: string, opened: string, line: number): void {
    if (this.accept(text)) return;
    if (line === this.lexer.line) this.failExpected(text);
    this.lexer.fail(`'${text}' expected (to close '${opened}' at line ${line})`);
  }
  private name(): string {
    if (this.lexer.kind !== 'name') this.failExpected('<name>');
    const { text } = this.lexer;
    this.lexer.next();
    return text;
  }
  private enter(): void {
    if (++this.levels > MAX_LEVELS) this.lexer.failPlain('chunk has too many syntax levels');
  }

  private block(): Block {
    const statements: Block = [];
    this.enter();
    for (;;) {
      const { lexer } = this;
      if (lexer.kind === 'eof' || (lexer.kind === 'keyword' && BLOCK_ENDS.has(lexer.text))) break;
      const isReturn = this.is('return');
      const isLast = isReturn || this.is('break');
      // A return isn't a nested statement in lparser.c either: both count one level.
      this.enter();
      statements.push(isReturn ? this.returnStatement() : this.statement());
      this.levels--;
      this.accept(';');
      if (isLast) break;
    }
    this.levels--;
    return statements;
  }

  private statement(): Statement {
    const { lexer } = this;
    if (lexer.kind !== 'keyword') return this.expressionStatement();
    const { line } = lexer;
    switch (lexer.text) {
      case 'if':
        return this.ifStatement(line);
      case 'while':
        return this.whileStatement(line);
      case 'do': {
        lexer.next();
        const body = this.block();
        this.expectMatch('end', 'do', line);
        return { kind: 'do', body };
      }
      case 'for':
        return this.forStatement(line);
      case 'repeat':
        return this.repeatStatement(line);
      case 'function':
        return this.functionStatement(line);
      case 'local':
        lexer.next();
        return this.accept('function') ? this.localFunction() : this.localStatement();
      case 'break':
        lexer.next();
        if (this.loopDepth === 0) lexer.fail('no loop to break');
        return { kind: 'break' };
      default:
        return this.expressionStatement();
    }
  }
  private ifStatement(line: number): Statement {
    const clauses: { condition: Expression; body: Block }[] = [];
    do {
      this.lexer.next();
      const condition = this.expression();
      this.expect('then');
      clauses.push({ condition, body: this.block() });
    } while (this.is('elseif'));
    const otherwise = this.accept('else') ? this.block() : null;
    this.expectMatch('end', 'if', line);
    return { kind: 'if', clauses, otherwise };
  }
  private loopBody(): Block {
    this.current.hasLoop = true;
    this.loopDepth++;
    const body = this.block();
    this.loopDepth--;
    return body;
  }
  private whileStatement(line: number): Statement {
    this.lexer.next();
    const condition = this.expression();
    this.expect('do');
    const body = this.loopBody();
    this.expectMatch('end', 'while', line);
    return { kind: 'while', condition, body };
  }
  private repeatStatement(line: number): Statement {
    this.lexer.next();
    const body = this.loopBody();
    this.expectMatch('until', 'repeat', line);
    return { kind: 'repeat', body, condition: this.expression() };
  }
  private forStatement(line: number): Statement {
    this.lexer.next();
    const first = this.name();
    if (this.is('=')) return this.numericFor(first, line);
    if (!this.is(',') && !this.is('in')) this.lexer.fail("'=' or 'in' expected");
    const names = [first];
    while (this.accept(',')) names.push(this.name());
    this.expect('in');
    const valuesLine = this.lexer.line;
    const values = this.expressionList();
    const body = this.forBody(line);
    return { kind: 'generic for', names, values, body, line: valuesLine, variables: [] };
  }
  private numericFor(name: string, line: number): Statement {
    this.lexer.next();
    const start = this.expression();
    this.expect(',');
    const limit = this.expression();
    const step = this.accept(',') ? this.expression() : null;
    const body = this.forBody(line);
    return { kind: 'numeric for', name, start, limit, step, body, line, variable: null };
  }
  private forBody(line: number): Block {
    this.expect('do');
    const body = this.loopBody();
    this.expectMatch('end', 'for', line);
    return body;
  }
  private functionStatement(line: number): Statement {
    const { lexer } = this;
    lexer.next();
    let target: NameNode | IndexNode = { kind: 'name', line: lexer.line, name: this.name(), variable: null };
    let isMethod = false;
    while (!isMethod && (this.is('.') || this.is(':'))) {
      isMethod = this.is(':');
      lexer.next();
      const key: Expression = { kind: 'string', value: this.name() };
      target = { kind: 'index', object: target, key, line: lexer.previousLine };
    }
    const value = this.functionBody(line, isMethod);
    return { kind: 'assign', targets: [target], values: [value], line };
  }
  private localFunction(): Statement {
    const name = this.name();
    return { kind: 'local function', name, func: this.functionBody(this.lexer.line, false), variable: null };
  }
  private localStatement(): Statement {
    const names = [this.name()];
    while (this.accept(',')) names.push(this.name());
    const values = this.accept('=') ? this.expressionList() : [];
    return { kind: 'local', names, values, variables: [] };
  }
  private returnStatement(): Statement {
    const { lexer } = this;
    const { line } = lexer;
    lexer.next();
    const isEmpty = lexer.kind === 'eof' || this.is(';') || (lexer.kind === 'keyword' && BLOCK_ENDS.has(lexer.text));
    return { kind: 'return', values: isEmpty ? [] : this.expressionList(), line };
  }
  private expressionStatement(): Statement {
    const first = this.suffixed();
    if (first.kind === 'call' || first.kind === 'method') return { kind: 'call statement', call: first };
    const targets = [this.target(first)];
    while (this.accept(',')) {
      const levels = targets.length + this.levels;
      if (levels > MAX_LEVELS + 1)
        this.lexer.failPlain(`main function has more than ${MAX_LEVELS - this.levels + 1} variables in assignment`);
      targets.push(this.target(this.suffixed()));
    }
    this.expect('=');
    return { kind: 'assign', targets, values: this.expressionList(), line: this.lexer.previousLine };
  }
  private target(node: Expression): NameNode | IndexNode {
    if (node.kind !== 'name' && node.kind !== 'index') this.lexer.fail('syntax error');
    return node;
  }

  private functionBody(line: number, isMethod: boolean): FunctionNode {
    const { current, loopDepth } = this;
    const node = createFunctionNode(line);
    node.parent = current;
    this.current = node;
    this.loopDepth = 0;
    if (isMethod) node.parameters.push('self');
    this.expect('(');
    if (!this.is(')')) this.parameters(node);
    this.expect(')');
    node.body = this.block();
    node.endLine = this.lexer.line;
    this.expectMatch('end', 'function', line);
    this.current = current;
    this.loopDepth = loopDepth;
    return node;
  }
  private parameters(node: FunctionNode): void {
    do {
      if (this.accept('...')) {
        node.isVararg = true;
        return;
      }
      if (this.lexer.kind !== 'name') this.lexer.fail("<name> or '...' expected");
      node.parameters.push(this.name());
    } while (this.accept(','));
  }

  private expressionList(): Expression[] {
    const list = [this.expression()];
    while (this.accept(',')) list.push(this.expression());
    return list;
  }
  private expression(): Expression {
    return this.binary(0);
  }
  /** Operators that bind tighter than `limit`. */
  private binary(limit: number): Expression {
    const { lexer } = this;
    this.enter();
    let left: Expression;
    if (this.is('not') || this.is('-') || this.is('#')) {
      const operator = lexer.text as UnaryOperator;
      lexer.next();
      const operand = this.binary(UNARY_PRIORITY);
      left = { kind: 'unary', operator, operand, line: lexer.previousLine };
    } else left = this.simple();
    for (;;) {
      const priority = lexer.kind === 'symbol' || lexer.kind === 'keyword' ? PRIORITY[lexer.text] : undefined;
      if (priority === undefined || priority[0] <= limit) break;
      const operator = lexer.text;
      lexer.next();
      const right = this.binary(priority[1]);
      const line = lexer.previousLine;
      left =
        operator === 'and' || operator === 'or'
          ? { kind: 'logical', operator, left, right, line }
          : { kind: 'binary', operator: operator as BinaryOperator, left, right, line };
    }
    this.levels--;
    return left;
  }
  private simple(): Expression {
    const { lexer } = this;
    if (lexer.kind === 'number') {
      const { value } = lexer;
      lexer.next();
      return { kind: 'number', value };
    }
    if (lexer.kind === 'string') return this.stringConstant();
    if (lexer.kind === 'keyword' && (lexer.text === 'nil' || lexer.text === 'true' || lexer.text === 'false')) {
      const kind = lexer.text;
      lexer.next();
      return { kind };
    }
    if (this.is('...')) {
      if (!this.current.isVararg) lexer.fail("cannot use '...' outside a vararg function");
      this.current.usesVararg = true;
      lexer.next();
      return { kind: 'vararg' };
    }
    if (this.is('{')) return this.table();
    if (this.is('function')) {
      const { line } = lexer;
      lexer.next();
      return this.functionBody(line, false);
    }
    return this.suffixed();
  }
  private stringConstant(): Expression {
    const { text } = this.lexer;
    this.lexer.next();
    return { kind: 'string', value: text };
  }
  private prefix(): Expression {
    const { lexer } = this;
    const { line } = lexer;
    if (lexer.kind === 'name') return { kind: 'name', name: this.name(), line, variable: null };
    if (!this.accept('(')) lexer.fail('unexpected symbol');
    const inner = this.expression();
    this.expectMatch(')', '(', line);
    return { kind: 'paren', inner };
  }
  private suffixed(): Expression {
    const { lexer } = this;
    let node = this.prefix();
    for (;;) {
      if (this.is('.')) {
        lexer.next();
        const key: Expression = { kind: 'string', value: this.name() };
        node = { kind: 'index', object: node, key, line: lexer.previousLine };
      } else if (this.is('[')) {
        lexer.next();
        const key = this.expression();
        this.expect(']');
        node = { kind: 'index', object: node, key, line: lexer.previousLine };
      } else if (this.is(':')) {
        lexer.next();
        const name = this.name();
        const { line } = lexer;
        node = { kind: 'method', object: node, name, args: this.callArguments(), line } satisfies MethodCallNode;
      } else if (this.is('(') || this.is('{') || lexer.kind === 'string') {
        const { line } = lexer;
        node = { kind: 'call', callee: node, args: this.callArguments(), line } satisfies CallNode;
      } else return node;
    }
  }
  private callArguments(): Expression[] {
    const { lexer } = this;
    if (lexer.kind === 'string') return [this.stringConstant()];
    if (this.is('{')) return [this.table()];
    if (!this.is('(')) lexer.fail('function arguments expected');
    const { line } = lexer;
    if (line !== lexer.previousLine) lexer.fail('ambiguous syntax (function call x new statement)');
    lexer.next();
    if (this.accept(')')) return [];
    const list = this.expressionList();
    this.expectMatch(')', '(', line);
    return list;
  }
  private table(): Expression {
    const { lexer } = this;
    const { line } = lexer;
    const items: TableItem[] = [];
    lexer.next();
    while (!this.is('}')) {
      items.push(this.tableItem());
      if (!this.accept(',') && !this.accept(';')) break;
    }
    this.expectMatch('}', '{', line);
    return { kind: 'table', items, line };
  }
  private tableItem(): TableItem {
    const { lexer } = this;
    if (lexer.kind === 'name' && lexer.isFollowedBy('=')) {
      const key: Expression = { kind: 'string', value: this.name() };
      lexer.next();
      return { kind: 'keyed', key, value: this.expression(), line: lexer.previousLine };
    }
    if (!this.accept('[')) return { kind: 'positional', value: this.expression() };
    const key = this.expression();
    this.expect(']');
    this.expect('=');
    return { kind: 'keyed', key, value: this.expression(), line: lexer.previousLine };
  }
}

/** The main function of a chunk. Throws LuaSyntaxError. */
export function parse(source: string, chunkName: string): FunctionNode {
  return new Parser(source, chunkName).chunk();
}
