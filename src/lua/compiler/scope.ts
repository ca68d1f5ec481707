/**
 * Names to variables: which names are locals, which locals closures share, and how often each is assigned. Also gathers every
 * assignment of a local for the types stage.
 */
import { type Block, type Expression, type FunctionNode, isMultiple, type Statement, type StaticType, Variable } from './ast.ts';

/** A value that a variable takes somewhere: an expression, or a type that's known without one. */
export type Assignment = { readonly variable: Variable; readonly source: Expression | StaticType };

class Scope {
  readonly names = new Map<string, Variable>();
  readonly parent: Scope | null;
  constructor(parent: Scope | null) {
    this.parent = parent;
  }
}

class Resolver {
  readonly assignments: Assignment[] = [];
  readonly functions: FunctionNode[] = [];
  /** The main function itself calls something else than a field of `redis`. */
  callsOthers = false;
  private scope = new Scope(null);
  private current: FunctionNode;
  private count = 0;

  constructor(main: FunctionNode) {
    this.current = main;
  }

  functionNode(node: FunctionNode): void {
    const outer = this.current;
    this.functions.push(node);
    this.current = node;
    this.within(() => {
      for (const name of node.parameters) {
        const parameter = this.define(name, 'any');
        node.parameterVariables.push(parameter);
      }
      if (node.isVararg && node.parent !== null) node.argVariable = this.define('arg', 'any');
      this.statements(node.body);
    });
    this.current = outer;
  }
  private within(body: () => void): void {
    this.scope = new Scope(this.scope);
    body();
    this.scope = this.scope.parent as Scope;
  }
  private define(name: string, source: Expression | StaticType): Variable {
    const variable = new Variable(name, this.count++, this.current);
    this.scope.names.set(name, variable);
    this.assignments.push({ variable, source });
    return variable;
  }
  private lookUp(name: string): Variable | null {
    for (let scope: Scope | null = this.scope; scope !== null; scope = scope.parent) {
      const variable = scope.names.get(name);
      if (variable !== undefined) return variable;
    }
    return null;
  }
  private refer(name: string): Variable | null {
    const variable = this.lookUp(name);
    if (variable === null || variable.owner === this.current) return variable;
    variable.isCaptured = true;
    for (let node: FunctionNode | null = this.current; node !== null && node !== variable.owner; node = node.parent) {
      node.captures.add(variable);
    }
    return variable;
  }
  private block(statements: Block): void {
    this.within(() => this.statements(statements));
  }
  private statements(statements: Block): void {
    for (const statement of statements) this.statement(statement);
  }

  private statement(node: Statement): void {
    switch (node.kind) {
      case 'local':
        this.expressions(node.values);
        node.variables = node.names.map((name, index) => this.define(name, sourceOf(node.values, index)));
        return;
      case 'local function': {
        const variable = this.define(node.name, 'function');
        node.variable = variable;
        node.func.self = variable;
        this.functionNode(node.func);
        return;
      }
      case 'assign':
        this.assign(node.targets, node.values);
        return;
      case 'call statement':
        this.expression(node.call);
        return;
      case 'do':
        this.block(node.body);
        return;
      case 'while':
        this.expression(node.condition);
        this.block(node.body);
        return;
      case 'repeat':
        this.within(() => {
          this.statements(node.body);
          this.expression(node.condition);
        });
        return;
      case 'if':
        for (const clause of node.clauses) {
          this.expression(clause.condition);
          this.block(clause.body);
        }
        if (node.otherwise !== null) this.block(node.otherwise);
        return;
      case 'numeric for':
        this.expression(node.start);
        this.expression(node.limit);
        if (node.step !== null) this.expression(node.step);
        this.within(() => {
          node.variable = this.define(node.name, isNaturalLoop(node.start, node.step) ? 'natural' : 'number');
          this.statements(node.body);
        });
        return;
      case 'generic for':
        this.expressions(node.values);
        this.within(() => {
          node.variables = node.names.map((name) => this.define(name, 'any'));
          this.statements(node.body);
        });
        return;
      case 'return':
        this.expressions(node.values);
        return;
      case 'break':
    }
  }
  private assign(targets: Expression[], values: Expression[]): void {
    for (const target of targets) this.expression(target);
    this.expressions(values);
    targets.forEach((target, index) => {
      if (target.kind !== 'name' || target.variable === null) return;
      target.variable.assignments++;
      this.assignments.push({ variable: target.variable, source: sourceOf(values, index) });
    });
  }

  private expressions(nodes: Expression[]): void {
    for (const node of nodes) this.expression(node);
  }
  private expression(node: Expression): void {
    switch (node.kind) {
      case 'name':
        node.variable = this.refer(node.name);
        return;
      case 'paren':
        this.expression(node.inner);
        return;
      case 'index':
        this.expression(node.object);
        this.expression(node.key);
        return;
      case 'call':
        this.expression(node.callee);
        if (this.current.parent === null && !isOfRedis(node.callee)) this.callsOthers = true;
        this.expressions(node.args);
        return;
      case 'method':
        if (this.current.parent === null) this.callsOthers = true;
        this.expression(node.object);
        this.expressions(node.args);
        return;
      case 'binary':
      case 'logical':
        this.leftSpine(node);
        return;
      case 'unary':
        this.expression(node.operand);
        return;
      case 'table':
        for (const item of node.items) {
          if (item.kind === 'keyed') this.expression(item.key);
          this.expression(item.value);
        }
        return;
      case 'function':
        this.functionNode(node);
        return;
      default:
    }
  }
  /** A sum of thousands of terms is a chain of left operands: walked without recursion. */
  private leftSpine(node: Expression): void {
    let left = node;
    const rights: Expression[] = [];
    while (left.kind === 'binary' || left.kind === 'logical') {
      rights.push(left.right);
      left = left.left;
    }
    this.expression(left);
    for (let at = rights.length - 1; at >= 0; at--) this.expression(rights[at] as Expression);
  }
}

/** A field of the table `redis`, as a library reaches it while it loads. */
function isOfRedis(node: Expression): boolean {
  return node.kind === 'index' && node.object.kind === 'name' && node.object.name === 'redis' && node.object.variable === null;
}
/** A value that nobody can change: it's no table, nor a closure that might keep one. */
function isConstant(source: Expression | StaticType, main: FunctionNode): boolean {
  if (typeof source === 'string') return source !== 'any' && source !== 'table';
  switch (source.kind) {
    case 'paren':
      return isConstant(source.inner, main);
    case 'function':
      return source.parent === main;
    case 'name':
      return source.variable === null;
    case 'index':
      return isOfRedis(source);
    default:
      return ['nil', 'true', 'false', 'number', 'string', 'binary', 'unary'].includes(source.kind);
  }
}
/**
 * Whether functions that the chunk leaves behind may keep something from one call to the next: a local variable of the main function
 * that they share and that is assigned, or holds what can be changed. Calls while the chunk runs could leave other closures.
 */
function keepsState(main: FunctionNode, { callsOthers, assignments }: Resolver): boolean {
  if (callsOthers) return true;
  const shared = assignments.filter(({ variable }) => variable.owner === main && variable.isCaptured);
  return shared.some(({ variable, source }) => variable.assignments > 0 || !isConstant(source, main));
}

function sourceOf(values: Expression[], index: number): Expression | StaticType {
  const value = values[index];
  const last = values.at(-1);
  if (last !== undefined && isMultiple(last) && index >= values.length - 1) return 'any';
  return value ?? 'nil';
}
/** Counts up from a literal 0, 1, 2...: all its values are non-negative integers. */
function isNaturalLoop(start: Expression, step: Expression | null): boolean {
  return isNatural(start) && (step === null || (isNatural(step) && step.kind === 'number' && step.value > 0));
}
export function isNatural(node: Expression): boolean {
  return node.kind === 'number' && node.value >= 0 && node.value <= 0x7fffffff && Number.isInteger(node.value);
}

export type Resolved = {
  readonly assignments: readonly Assignment[];
  readonly functions: readonly FunctionNode[];
  readonly keepsState: boolean;
};

/** Fills in the variables of a chunk's tree. */
export function resolve(main: FunctionNode): Resolved {
  const resolver = new Resolver(main);
  resolver.functionNode(main);
  for (const node of resolver.functions) {
    const { self } = node;
    if (self === null) continue;
    if (self.assignments === 0) {
      // The closure's own name stands for it: nothing to hand in from outside.
      self.isSelf = true;
      node.captures.delete(self);
    } else node.self = null;
  }
  const { assignments, functions } = resolver;
  return { assignments, functions, keepsState: keepsState(main, resolver) };
}
