/**
 * The syntax tree of Lua 5.1. `line` is the line that Lua 5.1's code generator would give the operation: that of the last token read
 * for operators and indexing, that of the opening parenthesis for calls.
 */
export type BinaryOperator = '+' | '-' | '*' | '/' | '%' | '^' | '..' | '==' | '~=' | '<' | '<=' | '>' | '>=';
export type UnaryOperator = '-' | 'not' | '#';

/** A local variable, a parameter or a loop variable. The scope stage fills in what the emitter needs to know about it. */
export class Variable {
  readonly name: string;
  /** Unique in the chunk: the emitted name is made of it. */
  readonly id: number;
  readonly owner: FunctionNode;
  /** How often it's assigned apart from its declaration. */
  assignments = 0;
  isCaptured = false;
  /** `local function f`, referred to by its own body and never assigned: the closure names itself. */
  isSelf = false;
  type: StaticType = 'unset';
  constructor(name: string, id: number, owner: FunctionNode) {
    this.name = name;
    this.id = id;
    this.owner = owner;
  }
  /** Shared with a closure and assigned later: it lives in a box of its own. */
  get isBoxed(): boolean {
    return this.isCaptured && this.assignments > 0;
  }
}

/** What is known of a value before the script runs; `unset` means no assignment seen yet. */
export type StaticType = 'unset' | 'nil' | 'boolean' | 'number' | 'natural' | 'string' | 'table' | 'function' | 'any';

export type NameNode = { kind: 'name'; name: string; line: number; variable: Variable | null };
export type IndexNode = { kind: 'index'; object: Expression; key: Expression; line: number };
export type CallNode = { kind: 'call'; callee: Expression; args: Expression[]; line: number };
export type MethodCallNode = { kind: 'method'; object: Expression; name: string; args: Expression[]; line: number };
export type BinaryNode = {
  kind: 'binary';
  operator: BinaryOperator;
  left: Expression;
  right: Expression;
  line: number;
};
export type LogicalNode = {
  kind: 'logical';
  operator: 'and' | 'or';
  left: Expression;
  right: Expression;
  line: number;
};
export type UnaryNode = { kind: 'unary'; operator: UnaryOperator; operand: Expression; line: number };
export type TableItem = { kind: 'positional'; value: Expression } | { kind: 'keyed'; key: Expression; value: Expression; line: number };
export type TableNode = { kind: 'table'; items: TableItem[]; line: number };
export type FunctionNode = {
  kind: 'function';
  parameters: string[];
  isVararg: boolean;
  /** `...` occurs in the body: Lua 5.1 then doesn't make the old-style table `arg`. */
  usesVararg: boolean;
  body: Block;
  line: number;
  endLine: number;
  parameterVariables: Variable[];
  argVariable: Variable | null;
  /** Variables of enclosing functions that this one, or one within it, refers to. */
  captures: Set<Variable>;
  parent: FunctionNode | null;
  /** The variable of `local function`, when the body may refer to it by the closure's own name. */
  self: Variable | null;
  hasLoop: boolean;
};
export type Expression =
  | { kind: 'nil' }
  | { kind: 'true' }
  | { kind: 'false' }
  | { kind: 'number'; value: number }
  | { kind: 'string'; value: string }
  | { kind: 'vararg' }
  | { kind: 'paren'; inner: Expression }
  | NameNode
  | IndexNode
  | CallNode
  | MethodCallNode
  | BinaryNode
  | LogicalNode
  | UnaryNode
  | TableNode
  | FunctionNode;

export type LocalNode = { kind: 'local'; names: string[]; values: Expression[]; variables: Variable[] };
export type LocalFunctionNode = { kind: 'local function'; name: string; func: FunctionNode; variable: Variable | null };
export type NumericForNode = {
  kind: 'numeric for';
  name: string;
  start: Expression;
  limit: Expression;
  step: Expression | null;
  body: Block;
  line: number;
  variable: Variable | null;
};
export type GenericForNode = {
  kind: 'generic for';
  names: string[];
  values: Expression[];
  body: Block;
  line: number;
  variables: Variable[];
};
export type Statement =
  | LocalNode
  | LocalFunctionNode
  | { kind: 'assign'; targets: (NameNode | IndexNode)[]; values: Expression[]; line: number }
  | { kind: 'call statement'; call: CallNode | MethodCallNode }
  | { kind: 'do'; body: Block }
  | { kind: 'while'; condition: Expression; body: Block }
  | { kind: 'repeat'; body: Block; condition: Expression }
  | { kind: 'if'; clauses: { condition: Expression; body: Block }[]; otherwise: Block | null }
  | NumericForNode
  | GenericForNode
  | { kind: 'return'; values: Expression[]; line: number }
  | { kind: 'break' };
export type Block = Statement[];

export function isMultiple(node: Expression): boolean {
  return node.kind === 'call' || node.kind === 'method' || node.kind === 'vararg';
}
