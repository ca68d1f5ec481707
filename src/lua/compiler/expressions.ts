/**
 * Expressions to JavaScript. Each operator is emitted as a fast path on plain numbers, strings or tables, and a call of the runtime
 * for everything else: a + b becomes
 *
 *   (typeof a === "number" && typeof b === "number" ? a + b : add(a, b))
 *
 * What isn't a local or a constant goes into a temporary first. In the generator form of a function the runtime's call is a
 * `yield*` of its resumable twin.
 */
import type { NameOfOperand } from '../runtime/sites.ts';
import {
  type BinaryNode,
  type CallNode,
  type Expression,
  type FunctionNode,
  type IndexNode,
  isMultiple,
  type LogicalNode,
  type MethodCallNode,
  type NameNode,
  type TableNode,
  type UnaryNode,
  type Variable,
} from './ast.ts';
import { type ChunkCode, type Code, numberText, Temporaries, variableName } from './code.ts';
import { passes } from './constants.ts';
import { binaryType, isNumeric, isPositiveNatural, logicalType, typeOf, unaryType } from './types.ts';

/** Names under which the runtime's functions are known in emitted code, by operator. */
const ARITHMETIC: Readonly<Record<string, string>> = {
  '+': 'add',
  '-': 'subtract',
  '*': 'multiply',
  '/': 'divide',
  '%': 'modulo',
  '^': 'power',
};
/** Chains of operators longer than this are emitted as statements' sequence instead of nested parentheses. */
const MAX_NESTED = 60;

/** An operand under a name, and what gives it that name. */
type Held = { js: string; before: string; temporary: string | null };

/** Emits function nodes: the statements stage, which calls back into this one. */
export type FunctionEmitter = { closure(node: FunctionNode): string };

export class ExpressionEmitter {
  readonly chunk: ChunkCode;
  readonly node: FunctionNode;
  /** This is the generator form. */
  readonly isResumable: boolean;
  readonly temporaries = new Temporaries();
  private readonly functions: FunctionEmitter;

  constructor(chunk: ChunkCode, node: FunctionNode, isResumable: boolean, functions: FunctionEmitter) {
    this.chunk = chunk;
    this.node = node;
    this.isResumable = isResumable;
    this.functions = functions;
  }

  /** A call of a runtime function that may call back into Lua. `mark` is the line break with its site. */
  runtime(mark: string, name: string, args: string): string {
    return this.isResumable ? `(yield*${mark}${name}Resumable(${args}))` : `${mark}${name}(${args})`;
  }

  expression(node: Expression): Code {
    switch (node.kind) {
      case 'nil':
        return { js: 'undefined', type: 'nil', isSimple: true };
      case 'true':
      case 'false':
        return { js: node.kind, type: 'boolean', isSimple: true };
      case 'number':
        return this.number(node.value);
      case 'string':
        return { js: this.chunk.text(node.value), type: 'string', isSimple: true };
      case 'vararg':
        return { js: 'rest[0]', type: 'any', isSimple: false };
      case 'paren':
        return this.expression(node.inner);
      case 'name':
        return this.name(node);
      case 'index':
        return this.index(node);
      case 'call':
      case 'method':
        return this.single(this.call(node, false));
      case 'binary':
        return this.binary(node);
      case 'logical':
        return this.logical(node);
      case 'unary':
        return this.unary(node);
      case 'table':
        return { js: this.table(node), type: 'table', isSimple: false };
      case 'function':
        return { js: this.functions.closure(node), type: 'function', isSimple: false };
    }
  }
  js(node: Expression): string {
    return this.expression(node).js;
  }
  /** Lua 5.1 keeps one constant for 0 and -0 in each function: the one that comes first. Programs print the difference. */
  private zero: number | null = null;
  private number(value: number): Code {
    if (value === 0) this.zero ??= value;
    const shown = value === 0 ? (this.zero as number) : value;
    const isNatural = shown >= 0 && 1 / shown > 0 && shown <= 0x7fffffff && Number.isInteger(shown);
    return { js: numberText(shown), type: isNatural ? 'natural' : 'number', isSimple: true };
  }

  /** Something that may be written twice: the code itself or a temporary, and what has to run before. */
  private hold(code: Code): Held {
    if (code.isSimple) return { js: code.js, before: '', temporary: null };
    const temporary = this.temporaries.take();
    return { js: temporary, before: `${temporary} = ${code.js}, `, temporary };
  }

  /** The first of a call's results. */
  private single(raw: string): Code {
    const result = this.temporaries.take();
    const first = this.isResumable ? `(yield* firstResumable(${result}))` : `first(${result})`;
    this.temporaries.release(result);
    return {
      js: `(${result} = ${raw}, typeof ${result} === "object" && ${result}.items === undefined ? ${first} : ${result})`,
      type: 'any',
      isSimple: false,
    };
  }
  /** Code that gives an array of all values of a call or `...`. */
  all(node: Expression): string {
    if (node.kind === 'vararg') return 'rest';
    const raw = this.call(node as CallNode | MethodCallNode, false);
    return this.isResumable ? `(yield* manyResumable(${raw}))` : `many(${raw})`;
  }
  /** A list of arguments, items or results: JavaScript expressions, the last one spread when it's multiple. */
  list(nodes: readonly Expression[]): string {
    return nodes.map((node, index) => (index === nodes.length - 1 && isMultiple(node) ? `...${this.all(node)}` : this.js(node))).join(', ');
  }

  /** The arguments of a call. An open list tells the runtime how many it has become: messages make a difference between nil and nothing. */
  private argumentList(nodes: readonly Expression[], before: number): string {
    const last = nodes.at(-1);
    if (last === undefined || !isMultiple(last)) return this.list(nodes);
    const fixed = nodes.slice(0, -1).map((node) => `${this.js(node)}, `);
    return `${fixed.join('')}...counted(${nodes.length - 1 + before}, ${this.all(last)})`;
  }

  /** A number literal needs parentheses before a point. */
  private holdObject(code: Code): Held {
    const held = this.hold(code);
    return /^\d/.test(held.js) ? { ...held, js: `(${held.js})` } : held;
  }

  // Names

  variable(variable: Variable): string {
    return variable.isBoxed ? `${variableName(variable)}.value` : variableName(variable);
  }
  private name(node: NameNode): Code {
    const { variable } = node;
    if (variable === null) return this.global(node);
    return { js: this.variable(variable), type: variable.type, isSimple: !variable.isBoxed };
  }
  private global(node: NameNode): Code {
    const mark = this.chunk.markOperation(node.line);
    return { js: this.fieldOf('G', node.name, mark, true), type: 'any', isSimple: false };
  }
  /** How messages name what an expression denotes. */
  operandName(node: Expression): NameOfOperand {
    switch (node.kind) {
      case 'paren':
        return this.operandName(node.inner);
      case 'name':
        if (node.variable === null) return { kind: 'global', name: node.name };
        return { kind: node.variable.owner === this.node ? 'local' : 'upvalue', name: node.name };
      case 'index':
        return { kind: 'field', name: node.key.kind === 'string' ? node.key.value : '?' };
      case 'logical':
        // Lua 5.1 leaves out an operand that is known to pass; of any other choice it knows no name.
        return passes(node) ? this.operandName(node.right) : null;
      default:
        return null;
    }
  }

  // Indexing

  private index(node: IndexNode): Code {
    const code = this.expression(node.object);
    const object = this.holdObject(code);
    const mark = this.chunk.markOperation(node.line, this.operandName(node.object));
    if (node.key.kind === 'string') {
      const js = this.fieldOf(object.js, node.key.value, mark, code.type === 'table');
      this.temporaries.release(object.temporary);
      return { js: object.before === '' ? js : `(${object.before}${js})`, type: 'any', isSimple: false };
    }
    const keyCode = this.expression(node.key);
    const key = this.hold(keyCode);
    const value = this.temporaries.take();
    const slow = this.runtime(mark, 'index', `${object.js}, ${key.js}`);
    const isTable = code.type === 'table' ? '' : `typeof ${object.js} === "object" && `;
    const isNumber = isNumeric(keyCode.type) ? '' : `typeof ${key.js} === "number" && `;
    const js = `(${object.before}${key.before}${isTable}${isNumber}(${value} = ${object.js}.items[${key.js}]) !== undefined ? ${value} : ${slow})`;
    this.temporaries.release(value, key.temporary, object.temporary);
    return { js, type: 'any', isSimple: false };
  }
  /** object.name by an inline cache: the place where the key was last found is tried first. */
  private fieldOf(object: string, name: string, mark: string, isKnownTable: boolean): string {
    const cache = this.chunk.cache();
    const value = this.temporaries.take();
    const key = this.chunk.text(name);
    const slow = this.runtime(mark, 'field', `${object}, ${key}`);
    const isTable = isKnownTable ? '' : `typeof ${object} === "object" && `;
    this.temporaries.release(value);
    return `(${isTable}${object}.keys[${cache}] === ${key} && (${value} = ${object}.values[${cache}]) !== undefined ? ${value} : (${value} = ${slow}, ${cache} = lookup.slot, ${value}))`;
  }

  /** The same for a method, which a string may have too. */
  private methodOf(object: string, name: string, mark: string): string {
    const cache = this.chunk.cache();
    const value = this.temporaries.take();
    const key = this.chunk.text(name);
    const slow = this.runtime(mark, 'field', `${object}, ${key}`);
    this.temporaries.release(value);
    const inTable = (table: string): string => `${table}.keys[${cache}] === ${key} && (${value} = ${table}.values[${cache}]) !== undefined`;
    return `((typeof ${object} === "object" ? ${inTable(object)} : typeof ${object} === "string" && ${inTable('S')}) ? ${value} : (${value} = ${slow}, ${cache} = lookup.slot, ${value}))`;
  }

  // Calls

  /** A call's results as the function gives them: one value, an array, or a TailCall. */
  call(node: CallNode | MethodCallNode, isTail: boolean): string {
    return node.kind === 'call' ? this.plainCall(node, isTail) : this.methodCall(node, isTail);
  }
  private callMark(node: CallNode | MethodCallNode, name: NameOfOperand, isTail: boolean): string {
    const last = node.args.at(-1);
    const isOpen = last !== undefined && isMultiple(last);
    const argumentCount = isOpen ? -1 : node.args.length + (node.kind === 'method' ? 1 : 0);
    return this.chunk.mark({ line: node.line, names: [name], isCall: true, isTail, argumentCount });
  }
  private plainCall(node: CallNode, isTail: boolean): string {
    const callee = this.expression(node.callee);
    const held = this.hold(callee);
    const mark = this.callMark(node, this.operandName(node.callee), isTail);
    const target = this.target(held.js, callee.type === 'function');
    this.temporaries.release(held.temporary);
    const call = this.invoke(`(${held.before}${target})`, mark, this.argumentList(node.args, 0));
    return call;
  }
  /** A call whose callee and arguments are evaluated already, and have names. */
  callOf(node: CallNode, callee: string, args: string): string {
    const mark = this.callMark(node, this.operandName(node.callee), false);
    return this.invoke(`(${this.target(callee, false)})`, mark, args);
  }
  private target(callee: string, isFunction: boolean): string {
    if (this.isResumable) return `resumableOf(${callee})`;
    return isFunction ? callee : `typeof ${callee} === "function" ? ${callee} : callable(${callee})`;
  }
  private invoke(target: string, mark: string, args: string): string {
    if (!this.isResumable) return `${target}${mark}(${args})`;
    const result = this.temporaries.take();
    this.temporaries.release(result);
    return `(${result} = ${target}${mark}(${args}), isGenerator(${result}) ? (${result}.request === undefined ? yield*${mark}${result} : yield ${result}.request) : ${result})`;
  }
  private methodCall(node: MethodCallNode, isTail: boolean): string {
    // The object is also the first argument, which is evaluated behind the method: it must outlive the arguments' temporaries.
    const object = this.holdObject(this.expression(node.object));
    const method = this.temporaries.take();
    const found = this.methodOf(object.js, node.name, this.chunk.markOperation(node.line, this.operandName(node.object)));
    const mark = this.callMark(node, { kind: 'method', name: node.name }, isTail);
    const target = this.target(method, false);
    this.temporaries.release(method);
    const args = [object.js];
    if (node.args.length > 0) args.push(this.argumentList(node.args, 1));
    const call = this.invoke(`(${object.before}${method} = ${found}, ${target})`, mark, args.join(', '));
    this.temporaries.release(object.temporary);
    return call;
  }

  // Operators

  private binary(node: BinaryNode): Code {
    if (node.operator === '..') return this.concatenation(node);
    const chain = this.leftChain(node);
    if (chain.length > MAX_NESTED) return this.longChain(chain);
    const left = this.expression(node.left);
    return this.binaryOf(node, left);
  }
  /** The operators along the left operands, outermost first: a + b + c + d is the chain (+ d), (+ c), (+ b). */
  private leftChain(node: BinaryNode): BinaryNode[] {
    const chain: BinaryNode[] = [];
    let current: Expression = node;
    while (current.kind === 'binary' && current.operator !== '..') {
      chain.push(current);
      current = current.left;
    }
    return chain;
  }
  /** A chain too long for nested parentheses: (t = a + b, t = t + c, t = t + d, t). */
  private longChain(chain: BinaryNode[]): Code {
    const sum = this.temporaries.take();
    const innermost = chain.at(-1) as BinaryNode;
    let type = this.expression(innermost.left).type;
    const steps = [`${sum} = ${this.js(innermost.left)}`];
    for (let at = chain.length - 1; at >= 0; at--) {
      const link = chain[at] as BinaryNode;
      const code = this.binaryOf(link, { js: sum, type, isSimple: true });
      type = code.type;
      steps.push(`${sum} = ${code.js}`);
    }
    this.temporaries.release(sum);
    return { js: `(${steps.join(', ')}, ${sum})`, type, isSimple: false };
  }
  private binaryOf(node: BinaryNode, left: Code): Code {
    if (isNumeric(left.type) && isNumeric(typeOf(node.right)) && !this.isOwnBox(node.left)) {
      // Both are numbers for sure: each is written once, so neither needs a name.
      const right = this.expression(node.right);
      const type = binaryType(node.operator, left.type, right.type, isPositiveNatural(node.right));
      return { js: `(${this.operation(node, left.js, right.js, left, right)})`, type, isSimple: false };
    }
    const a = this.hold(left);
    const right = this.expression(node.right);
    const b = this.hold(right);
    // Lua reads a local that it operates on only after it has evaluated the right operand.
    const isReadLate = this.isOwnBox(node.left) && !right.isSimple;
    const before = isReadLate ? b.before + a.before : a.before + b.before;
    const type = binaryType(node.operator, left.type, right.type, isPositiveNatural(node.right));
    const js = this.operation(node, a.js, b.js, left, right);
    this.temporaries.release(b.temporary, a.temporary);
    return { js: `(${before}${js})`, type, isSimple: false };
  }
  private isOwnBox(node: Expression): boolean {
    return node.kind === 'name' && node.variable?.isBoxed === true && node.variable.owner === this.node;
  }
  private operation(node: BinaryNode, a: string, b: string, left: Code, right: Code): string {
    if (node.operator === '==' || node.operator === '~=') return this.equality(node, a, b, left, right);
    if (node.operator in ARITHMETIC) return this.arithmetic(node, a, b, left, right);
    return this.comparison(node, a, b, left, right);
  }
  private numberChecks(a: string, b: string, left: Code, right: Code): string {
    const checks: string[] = [];
    if (!isNumeric(left.type)) checks.push(`typeof ${a} === "number"`);
    if (!isNumeric(right.type)) checks.push(`typeof ${b} === "number"`);
    return checks.join(' && ');
  }
  private arithmetic(node: BinaryNode, a: string, b: string, left: Code, right: Code): string {
    const { operator } = node;
    let fast = `${a} ${operator} ${b}`;
    if (operator === '%' && !(left.type === 'natural' && isPositiveNatural(node.right))) fast = `mod(${a}, ${b})`;
    if (operator === '^') fast = `pow(${a}, ${b})`;
    const checks = this.numberChecks(a, b, left, right);
    if (checks === '') return fast;
    const mark = this.chunk.markOperation(node.line, this.operandName(node.left), this.operandName(node.right));
    return `${checks} ? ${fast} : ${this.runtime(mark, ARITHMETIC[operator] as string, `${a}, ${b}`)}`;
  }
  private comparison(node: BinaryNode, a: string, b: string, left: Code, right: Code): string {
    const { operator } = node;
    const checks = this.numberChecks(a, b, left, right);
    if (checks === '') return `${a} ${operator} ${b}`;
    const isSwapped = operator[0] === '>';
    const name = operator.length === 2 ? 'lessEqual' : 'less';
    const slow = this.runtime(this.chunk.markOperation(node.line), name, isSwapped ? `${b}, ${a}` : `${a}, ${b}`);
    return `${checks} ? ${a} ${operator} ${b} : ${slow}`;
  }
  private equality(node: BinaryNode, a: string, b: string, left: Code, right: Code): string {
    const isPlain = (code: Code): boolean => code.type !== 'any' && code.type !== 'table' && code.type !== 'unset';
    const not = node.operator === '~=';
    if (isPlain(left) || isPlain(right)) return `${a} ${not ? '!==' : '==='} ${b}`;
    const slow = this.runtime(this.chunk.markOperation(node.line), 'equals', `${a}, ${b}`);
    return `${not ? '!' : ''}(${a} === ${b} || typeof ${a} === "object" && typeof ${b} === "object" && ${slow})`;
  }

  private concatenation(node: BinaryNode): Code {
    const operands: Expression[] = [];
    let current: Expression = node;
    while (current.kind === 'binary' && current.operator === '..') {
      operands.push(current.left);
      current = current.right;
    }
    operands.push(current);
    const codes = operands.map((operand) => this.expression(operand));
    const mark = this.chunk.markOperation(node.line, ...operands.map((operand) => this.operandName(operand)));
    const args = codes.map((code) => code.js).join(', ');
    const isText = codes.every((code) => code.type === 'string' || isNumeric(code.type));
    const js = operands.length === 2 ? this.runtime(mark, 'concat', args) : this.runtime(mark, 'concatAll', `[${args}]`);
    return { js, type: isText ? 'string' : 'any', isSimple: false };
  }

  private logical(node: LogicalNode): Code {
    const chain: LogicalNode[] = [];
    let first: Expression = node;
    while (first.kind === 'logical') {
      chain.push(first);
      first = first.left;
    }
    const code = this.expression(first);
    if (chain.length === 1) return this.logicalOf(node, code);
    // a or b or c: each step keeps what it has or takes the next operand.
    const value = this.temporaries.take();
    let js = `${value} = ${code.js}`;
    let { type } = code;
    for (let at = chain.length - 1; at >= 0; at--) {
      const link = chain[at] as LogicalNode;
      const right = this.expression(link.right);
      const isTrue = `${value} !== undefined && ${value} !== false`;
      js += link.operator === 'and' ? `, ${isTrue} && (${value} = ${right.js})` : `, ${isTrue} || (${value} = ${right.js})`;
      type = logicalType(link.operator, type, right.type);
    }
    this.temporaries.release(value);
    return { js: `(${js}, ${value})`, type, isSimple: false };
  }
  private logicalOf(node: LogicalNode, left: Code): Code {
    const a = this.hold(left);
    const right = this.expression(node.right);
    const type = logicalType(node.operator, left.type, right.type);
    const isTrue = this.truthOf({ ...left, js: a.js });
    this.temporaries.release(a.temporary);
    const js = node.operator === 'and' ? `${isTrue} ? ${right.js} : ${a.js}` : `${isTrue} ? ${a.js} : ${right.js}`;
    return { js: `(${a.before}${js})`, type, isSimple: false };
  }

  private unary(node: UnaryNode): Code {
    const { operator } = node;
    if (operator === 'not') return { js: `!${this.condition(node.operand)}`, type: 'boolean', isSimple: false };
    const constant = withoutParens(node.operand);
    if (operator === '-' && constant.kind === 'number') return this.number(-constant.value);
    const code = this.expression(node.operand);
    const operand = operator === '#' ? this.holdObject(code) : this.hold(code);
    const mark = this.chunk.markOperation(node.line, this.operandName(node.operand));
    let js: string;
    if (operator === '-') {
      const slow = isNumeric(code.type) ? '' : `typeof ${operand.js} === "number" ? `;
      js = slow === '' ? `-${operand.js}` : `${slow}-${operand.js} : ${this.runtime(mark, 'negate', operand.js)}`;
    } else {
      const isTable = code.type === 'table' ? '' : `typeof ${operand.js} === "object" && `;
      js = `${isTable}${operand.js}.hasHoles === false ? ${operand.js}.items.length - 1 : ${mark}length(${operand.js})`;
    }
    this.temporaries.release(operand.temporary);
    return { js: `(${operand.before}${js})`, type: unaryType(operator, code.type), isSimple: false };
  }

  // Conditions

  /** A JavaScript boolean in parentheses. */
  condition(node: Expression): string {
    if (node.kind === 'paren') return this.condition(node.inner);
    if (node.kind === 'logical' && this.depthOf(node) < MAX_NESTED) {
      return `(${this.condition(node.left)} ${node.operator === 'and' ? '&&' : '||'} ${this.condition(node.right)})`;
    }
    const code = this.expression(node);
    if (code.type === 'boolean') return `(${code.js})`;
    const value = this.hold(code);
    this.temporaries.release(value.temporary);
    return `(${value.before}${this.truthOf({ ...code, js: value.js })})`;
  }
  private depthOf(node: Expression): number {
    let depth = 0;
    for (let current = node; current.kind === 'logical'; current = current.left) depth++;
    return depth;
  }
  /** The truth of code that may be written twice. */
  private truthOf(code: Code): string {
    if (code.type === 'boolean') return code.js;
    if (code.type === 'nil') return 'false';
    if (code.type !== 'any' && code.type !== 'unset') return 'true';
    return `${code.js} !== undefined && ${code.js} !== false`;
  }

  // Tables

  private table(node: TableNode): string {
    const { items } = node;
    if (items.length === 0) return 'newTable()';
    if (items.every((item) => item.kind === 'positional')) {
      const values = this.list(items.map((item) => item.value));
      return `tableOfItems([undefined, ${values}])`;
    }
    const keys = items.map((item) => (item.kind === 'keyed' && item.key.kind === 'string' ? item.key.value : null));
    if (!keys.includes(null) && new Set(keys).size === keys.length) {
      const names = keys.map((key) => this.chunk.text(key as string)).join(', ');
      return `tableOfFields([${names}], [${items.map((item) => this.js(item.value)).join(', ')}])`;
    }
    return this.mixedTable(node);
  }
  /** Positional and keyed items in any order: the layout says which values are keys. */
  private mixedTable(node: TableNode): string {
    const values: string[] = [];
    let layout = '';
    node.items.forEach((item, index) => {
      if (item.kind === 'keyed') {
        layout += 'k';
        values.push(this.js(item.key), this.js(item.value));
        return;
      }
      const isOpen = index === node.items.length - 1 && isMultiple(item.value);
      layout += isOpen ? 'm' : 'p';
      values.push(isOpen ? this.all(item.value) : this.js(item.value));
    });
    return `${this.chunk.markOperation(node.line)}tableOfLayout("${layout}", [${values.join(', ')}])`;
  }
}

function withoutParens(node: Expression): Expression {
  let inner = node;
  while (inner.kind === 'paren') inner = inner.inner;
  return inner;
}
