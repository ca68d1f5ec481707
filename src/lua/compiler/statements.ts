/**
 * Statements and functions to JavaScript. A Lua function becomes a factory at the chunk's top level that takes the variables it
 * shares with the functions around it (boxes for those that are assigned later, plain values for the others):
 *
 *   function f3(v1, v2) {
 *     var self = function (p4, p5) {
 *       if (--meter.ticks < 0) endSlice();
 *       ...
 *     };
 *     return self;
 *   }
 *
 * so nesting costs nothing, and each function can have a second, resumable form without its text being emitted once per level.
 * Every turn of a loop counts down `ticks`, every call `meter.ticks`: nothing runs for long without a look at the interrupt.
 */
import { MAX_TAILS } from '../runtime/calls.ts';
import { FREE_TURNS, LOOP_TICKS } from '../runtime/counters.ts';
import {
  type Block,
  type CallNode,
  type Expression,
  type FunctionNode,
  type GenericForNode,
  type IndexNode,
  isMultiple,
  type LocalFunctionNode,
  type LocalNode,
  type MethodCallNode,
  type NameNode,
  type NumericForNode,
  type Statement,
  type Variable,
} from './ast.ts';
import { type ChunkCode, numberText, variableName } from './code.ts';
import { ExpressionEmitter } from './expressions.ts';
import { isNumeric, typeOf } from './types.ts';

const COUNT_TURN = `if (--ticks < 0) {ticks = ${LOOP_TICKS};chargeLoop();}`;
const CLOSURE_BYTES = 96;
/** How an argument error calls a loop's iterator. */
const FOR_GENERATOR = { kind: 'local', name: '(for generator)' } as const;

class StatementEmitter {
  private readonly emitter: ExpressionEmitter;
  private readonly chunk: ChunkCode;
  private labels = 0;

  constructor(chunk: ChunkCode, node: FunctionNode, isResumable: boolean) {
    this.chunk = chunk;
    this.emitter = new ExpressionEmitter(chunk, node, isResumable, { closure: (inner) => closure(chunk, inner) });
  }

  /** The function's text: parameters, prologue and body. */
  functionText(): string {
    const { node, isResumable, temporaries } = this.emitter;
    const body = this.block(node.body);
    const parameters = node.parameterVariables.map((variable) => (variable.isBoxed ? `p${variable.id}` : variableName(variable)));
    if (node.isVararg) parameters.push('...rest');
    let prologue = 'if (--meter.ticks < 0) endSlice();';
    if (node.hasLoop) prologue += `let ticks = ${FREE_TURNS};`;
    for (const variable of node.parameterVariables) {
      if (variable.isBoxed) prologue += `const ${variableName(variable)} = new Box(p${variable.id});`;
    }
    prologue += this.argTable();
    if (temporaries.count > 0) {
      prologue += `let ${Array.from({ length: temporaries.count }, (_, n) => `t${n}`).join(', ')};`;
    }
    const ending = node.body.at(-1)?.kind === 'return' ? '' : 'return NOTHING;';
    return `function${isResumable ? '*' : ''} (${parameters.join(', ')}) {${prologue}${body}${ending}}`;
  }
  /** Lua 5.0's table of extra arguments, which 5.1 still makes for functions that don't mention `...`. */
  private argTable(): string {
    const { node } = this.emitter;
    if (node.argVariable === null) return '';
    return this.define(node.argVariable, node.usesVararg ? 'undefined' : 'argumentTable(rest)');
  }
  private define(variable: Variable, value: string): string {
    if (variable.isBoxed) return `const ${variableName(variable)} = new Box(${value});`;
    return `let ${variableName(variable)} = ${value};`;
  }

  private block(statements: Block): string {
    return statements.map((statement) => this.statement(statement)).join('');
  }
  private statement(node: Statement): string {
    const { emitter } = this;
    switch (node.kind) {
      case 'local':
        return this.local(node);
      case 'local function':
        return this.localFunction(node);
      case 'assign':
        return this.assign(node.targets, node.values, node.line);
      case 'call statement':
        return this.callStatement(node.call);
      case 'do':
        return `{${this.block(node.body)}}`;
      case 'while':
        return `while (${emitter.condition(node.condition)}) {${COUNT_TURN}${this.block(node.body)}}`;
      case 'repeat':
        return `for (;;) {${COUNT_TURN}${this.block(node.body)}${this.endsBlock(node.body) ? '' : `if (${emitter.condition(node.condition)}) break;`}}`;
      case 'if': {
        const clauses = node.clauses.map(({ condition, body }) => `if (${emitter.condition(condition)}) {${this.block(body)}}`);
        return clauses.join(' else ') + (node.otherwise === null ? '' : ` else {${this.block(node.otherwise)}}`);
      }
      case 'numeric for':
        return this.numericFor(node);
      case 'generic for':
        return this.genericFor(node);
      case 'return':
        return this.returnStatement(node.values);
      case 'break':
        return 'break;';
    }
  }
  private endsBlock(body: Block): boolean {
    const last = body.at(-1)?.kind;
    return last === 'return' || last === 'break';
  }

  private local(node: LocalNode): string {
    const { values, variables } = node;
    if (variables.length > values.length || values.length > 1) {
      if (values.length > 0) return this.localList(node);
    }
    return variables
      .map((variable, index) => this.define(variable, index < values.length ? this.emitter.js(values[index] as Expression) : 'undefined'))
      .join('');
  }
  private localList(node: LocalNode): string {
    const { values, variables } = node;
    const last = values.at(-1) as Expression;
    let code = '';
    if (variables.length < values.length || !isMultiple(last) || variables.length === values.length) {
      variables.forEach((variable, index) => {
        const value = values[index];
        code += this.define(variable, value === undefined ? 'undefined' : this.emitter.js(value));
      });
      for (const extra of values.slice(variables.length)) code += `${this.emitter.js(extra)};`;
      return code;
    }
    const before = values.length - 1;
    for (let index = 0; index < before; index++)
      code += this.define(variables[index] as Variable, this.emitter.js(values[index] as Expression));
    const places = variables.slice(before).map((_, index) => `[${index}]`);
    const { before: gather, parts } = this.unpack(last, places.length);
    code += gather;
    variables.slice(before).forEach((variable, index) => {
      code += this.define(variable, parts[index] as string);
    });
    return code;
  }
  /** `count` values of a multiple expression: statements that gather them, and an expression for each. */
  private unpack(node: Expression, count: number): { before: string; parts: string[] } {
    const parts = (array: string): string[] => Array.from({ length: count }, (_, index) => `${array}[${index}]`);
    if (node.kind === 'vararg') return { before: '', parts: parts('rest') };
    const array = `m${this.labels++}`;
    return { before: `const ${array} = ${this.emitter.all(node)};`, parts: parts(array) };
  }
  private localFunction(node: LocalFunctionNode): string {
    const variable = node.variable as Variable;
    if (!variable.isBoxed) return `let ${variableName(variable)} = ${closure(this.chunk, node.func)};`;
    return `const ${variableName(variable)} = new Box(undefined);${variableName(variable)}.value = ${closure(this.chunk, node.func)};`;
  }

  private assign(targets: (NameNode | IndexNode)[], values: Expression[], line: number): string {
    if (targets.length === 1 && values.length === 1)
      return this.store(targets[0] as NameNode | IndexNode, this.valueOf(values[0] as Expression), line);
    return this.assignList(targets, values, line);
  }
  private valueOf(node: Expression): { js: string; isSimple: boolean; isNil: boolean | null } {
    const { js, type, isSimple } = this.emitter.expression(node);
    return { js, isSimple, isNil: type === 'any' || type === 'unset' ? null : type === 'nil' };
  }
  /** Evaluates all tables, keys and values first, then assigns from right to left, as Lua 5.1 does. */
  private assignList(targets: (NameNode | IndexNode)[], values: Expression[], line: number): string {
    let code = '{';
    const held = targets.map((target) => {
      if (target.kind === 'name') return target;
      const object = `m${this.labels++}`;
      const key = `m${this.labels++}`;
      code += `const ${object} = ${this.emitter.js(target.object)};`;
      code += `const ${key} = ${this.emitter.js(target.key)};`;
      return { target, object, key };
    });
    const parts: string[] = [];
    values.forEach((value, index) => {
      const isLast = index === values.length - 1;
      if (isLast && isMultiple(value) && targets.length > values.length) {
        const unpacked = this.unpack(value, targets.length - index);
        code += unpacked.before;
        parts.push(...unpacked.parts);
        return;
      }
      const name = `m${this.labels++}`;
      code += `const ${name} = ${this.emitter.js(value)};`;
      parts.push(name);
    });
    for (let index = targets.length - 1; index >= 0; index--) {
      const place = held[index] as (typeof held)[number];
      const value = { js: parts[index] ?? 'undefined', isSimple: true, isNil: null };
      code +=
        'kind' in place ? this.store(place, value, line) : this.storeAt({ ...place.target, line }, place.object, place.key, false, value);
    }
    return `${code}}`;
  }
  /** target = value */
  private store(target: NameNode | IndexNode, value: { js: string; isSimple: boolean; isNil: boolean | null }, line: number): string {
    if (target.kind === 'index') return this.storeIndex({ ...target, line }, value);
    const { variable } = target;
    if (variable !== null) return `${this.emitter.variable(variable)} = ${value.js};`;
    const mark = this.chunk.markOperation(line);
    return `${this.emitter.runtime(mark, 'setIndex', `G, ${this.chunk.text(target.name)}, ${value.js}`)};`;
  }
  private storeIndex(target: IndexNode, value: { js: string; isSimple: boolean; isNil: boolean | null }): string {
    const { emitter } = this;
    const { temporaries } = emitter;
    const object = emitter.expression(target.object);
    const key = emitter.expression(target.key);
    let code = '';
    const hold = (one: { js: string; isSimple: boolean }): string => {
      if (one.isSimple) return one.js;
      const name = `m${this.labels++}`;
      code += `const ${name} = ${one.js};`;
      return name;
    };
    // A local that isn't shared can't change while the value is evaluated.
    const o = hold(object);
    const k = hold(key);
    const v = hold(value);
    void temporaries;
    const isNumber = isNumeric(key.type);
    const isOther = key.type === 'string' || key.type === 'boolean';
    return `{${code}${isOther ? this.storeField(target, o, k, v) : this.storeAt(target, o, k, isNumber, { ...value, js: v })}}`;
  }
  private storeAt(target: IndexNode, object: string, key: string, isNumber: boolean, value: { js: string; isNil: boolean | null }): string {
    const mark = this.chunk.markOperation(target.line, this.emitter.operandName(target.object));
    const slow = `${this.emitter.runtime(mark, 'setIndex', `${object}, ${key}, ${value.js}`)};`;
    if (value.isNil === true) return slow;
    const checks: string[] = [];
    if (!this.isTable(target.object)) checks.push(`typeof ${object} === "object"`);
    if (!isNumber) checks.push(`typeof ${key} === "number"`);
    if (value.isNil === null) checks.push(`${value.js} !== undefined`);
    const isItem = checks.map((check) => `${check} && `).join('');
    const overwrite = `if (${isItem}${object}.items[${key}] !== undefined) ${object}.items[${key}] = ${value.js};`;
    const append = `else if (${isItem}${key} === ${object}.items.length && ${key} <= ${object}.appendLimit) ${object}.items.push(${value.js});`;
    return `${overwrite} ${append} else ${slow}`;
  }
  /** Known to be a table before the script runs. */
  private isTable(node: Expression): boolean {
    return typeOf(node) === 'table';
  }
  /** object.name = value: in place when the key is there already. */
  private storeField(target: IndexNode, object: string, key: string, value: string): string {
    const mark = this.chunk.markOperation(target.line, this.emitter.operandName(target.object));
    const slow = `${this.emitter.runtime(mark, 'setField', `${object}, ${key}, ${value}`)};`;
    const cache = this.chunk.cache();
    const isTable = this.isTable(target.object) ? '' : `typeof ${object} === "object" && `;
    return `if (${isTable}${object}.keys[${cache}] === ${key} && ${object}.values[${cache}] !== undefined && !${object}.isReadonly) ${object}.values[${cache}] = ${value}; else {${slow}${cache} = lookup.slot;}`;
  }

  private callStatement(call: CallNode | MethodCallNode): string {
    const { emitter } = this;
    if (call.kind === 'call' && isAppend(call)) return this.appendStatement(call);
    return this.settled(emitter.call(call, false));
  }

  /** table.insert(t, value), which as a rule is that function, and a push: the same checks as in `t[#t + 1] = value`. */
  private appendStatement(call: CallNode): string {
    const { emitter } = this;
    const names = [call.callee, ...call.args].map((node) => {
      const name = `m${this.labels++}`;
      return { name, code: `const ${name} = ${emitter.js(node)};` };
    });
    const [callee, table, value] = names.map(({ name }) => name) as [string, string, string];
    const isPush = `${callee} === insert && typeof ${table} === "object" && ${table}.hasHoles === false && ${value} !== undefined`;
    const push = `if (${isPush} && ${table}.items.length <= ${table}.appendLimit) ${table}.items.push(${value});`;
    const other = this.settled(emitter.callOf(call, callee, `${table}, ${value}`));
    return `{${names.map(({ code }) => code).join('')}${push} else {${other}}}`;
  }
  private settled(raw: string): string {
    const { emitter } = this;
    const result = emitter.temporaries.take();
    emitter.temporaries.release(result);
    const settle = emitter.isResumable ? `yield* settleResumable(${result})` : `settle(${result})`;
    return `${result} = ${raw};if (typeof ${result} === "object" && ${result} !== NOTHING && ${result}.items === undefined) ${settle};`;
  }

  private returnStatement(values: Expression[]): string {
    const { emitter } = this;
    const [only] = values;
    if (only === undefined) return 'return NOTHING;';
    if (values.length > 1) return `return [${emitter.list(values)}];`;
    if (only.kind === 'vararg') return 'return rest;';
    if (only.kind === 'call' || only.kind === 'method') return this.tailCall(only);
    return `return (${emitter.js(only)});`;
  }
  /** Nested JavaScript calls up to a fixed depth; from there on the caller makes the call, so that the stack doesn't grow. */
  private tailCall(node: CallNode | MethodCallNode): string {
    const { emitter } = this;
    const result = `m${this.labels++}`;
    const direct = `meter.tails++;const ${result} = ${emitter.call(node, true)};meter.tails--;return ${result};`;
    return `if (meter.tails > ${MAX_TAILS}) return ${this.deferred(node)};${direct}`;
  }
  private deferred(node: CallNode | MethodCallNode): string {
    const { emitter } = this;
    if (node.kind === 'call') return `new TailCall(${emitter.js(node.callee)}, [${emitter.list(node.args)}])`;
    const object = emitter.temporaries.take();
    const method: Expression = { kind: 'string', value: node.name };
    const mark = this.chunk.markOperation(node.line, emitter.operandName(node.object));
    const found = emitter.runtime(mark, 'index', `${object}, ${emitter.js(method)}`);
    const args = node.args.length === 0 ? '' : `, ${emitter.list(node.args)}`;
    const code = `(${object} = ${emitter.js(node.object)}, new TailCall(${found}, [${object}${args}]))`;
    emitter.temporaries.release(object);
    return code;
  }

  private numericFor(node: NumericForNode): string {
    const variable = node.variable as Variable;
    const id = this.labels++;
    const [index, limit, step] = [`i${id}`, `l${id}`, `s${id}`];
    const stepValue = node.step === null ? 1 : literalNumber(node.step);
    let code = `let ${index} = ${this.forPart(node.start, 'initial', node.line)};`;
    code += `const ${limit} = ${this.forPart(node.limit, 'limit', node.line)};`;
    if (stepValue === null) code += `const ${step} = ${this.forPart(node.step as Expression, 'step', node.line)};`;
    const amount = stepValue === null ? step : numberText(stepValue);
    // Lua subtracts the step first and adds it before each turn, which for large numbers isn't the same as not doing it.
    if (literalNumber(node.start) === null) code += `${index} = ${index} - ${amount} + ${amount};`;
    let test = stepValue !== null && stepValue > 0 ? `${index} <= ${limit}` : `${index} >= ${limit}`;
    if (stepValue === null) test = `(0 < ${step} ? ${index} <= ${limit} : ${limit} <= ${index})`;
    if (stepValue === 0) test = `${limit} <= ${index}`;
    const isOwn = !variable.isBoxed && variable.assignments === 0;
    const body = this.block(node.body);
    const bind = isOwn ? `const ${variableName(variable)} = ${index};` : this.define(variable, index);
    return `{${code}for (; ${test}; ${index} += ${amount}) {${COUNT_TURN}${bind}${body}}}`;
  }
  private forPart(node: Expression, what: string, line: number): string {
    const code = this.emitter.expression(node);
    if (isNumeric(code.type)) return code.js;
    return `${this.chunk.markOperation(line)}forNumber(${code.js}, "${what}")`;
  }

  private genericFor(node: GenericForNode): string {
    const { emitter } = this;
    const id = this.labels++;
    const [iterator, state, control, cursor, result] = [`f${id}_`, `x${id}`, `y${id}`, `z${id}`, `r${id}`];
    let code = this.forValues(node.values, [iterator, state, control]);
    const mark = this.chunk.mark({
      line: node.line,
      names: [null, FOR_GENERATOR],
      isCall: true,
      isTail: false,
      argumentCount: 2,
    });
    code += `const ${cursor} = cursorFor(${iterator}, ${state}, ${control});`;
    const call = emitter.isResumable
      ? `yield*${mark}callFunctionResumable(${iterator}, [${state}, ${control}])`
      : `many((typeof ${iterator} === "function" ? ${iterator} : callable(${iterator}))${mark}(${state}, ${control}))`;
    const names = node.variables;
    const [first] = names as [Variable, ...Variable[]];
    const raw = names.map((variable) => (variable.isBoxed ? `p${variable.id}` : variableName(variable)));
    let turn = `let ${raw.join(', ')};`;
    turn += `if (${cursor} !== null) {if (!${cursor}.advance()) break;${raw[0]} = ${cursor}.key;${raw[1] === undefined ? '' : `${raw[1]} = ${cursor}.value;`}}`;
    turn += `else {const ${result} = ${call};${raw.map((name, index) => `${name} = ${result}[${index}];`).join('')}`;
    turn += `if (${raw[0]} === undefined) break;${control} = ${raw[0]};}`;
    void first;
    for (const variable of names) if (variable.isBoxed) turn += `const ${variableName(variable)} = new Box(p${variable.id});`;
    return `{${code}for (;;) {${COUNT_TURN}${turn}${this.block(node.body)}}}`;
  }
  /** The three values of a generic for into new variables. */
  private forValues(values: Expression[], names: string[]): string {
    let code = '';
    const last = values.at(-1) as Expression;
    const isOpen = isMultiple(last) && values.length <= names.length;
    const plain = isOpen ? values.slice(0, -1) : values;
    plain.forEach((value, index) => {
      code += index < names.length ? `let ${names[index]} = ${this.emitter.js(value)};` : `${this.emitter.js(value)};`;
    });
    const missing = names.slice(plain.length);
    if (missing.length === 0) return code;
    const { before, parts } = isOpen ? this.unpack(last, missing.length) : { before: '', parts: missing.map(() => 'undefined') };
    return `${code}${before}${missing.map((name, index) => `let ${name} = ${parts[index]};`).join('')}`;
  }
}

function isAppend({ callee, args }: CallNode): boolean {
  const isInsert = callee.kind === 'index' && callee.key.kind === 'string' && callee.key.value === 'insert';
  return isInsert && args.length === 2 && !isMultiple(args[1] as Expression);
}
function literalNumber(node: Expression): number | null {
  if (node.kind === 'number') return node.value;
  if (node.kind === 'unary' && node.operator === '-' && node.operand.kind === 'number') return -node.operand.value;
  return null;
}

/** The expression that makes a closure; its factory is added to the chunk. */
function closure(chunk: ChunkCode, node: FunctionNode): string {
  const captured = [...node.captures].map(variableName).join(', ');
  const { factory } = factories.get(node) ?? addFactory(chunk, node, captured);
  return `${factory}(${captured})`;
}
const factories = new WeakMap<FunctionNode, { factory: string }>();

function addFactory(chunk: ChunkCode, node: FunctionNode, captured: string): { factory: string } {
  const factory = `f${chunk.factories.length}`;
  factories.set(node, { factory });
  const place = chunk.factories.push('') - 1;
  const self = node.self === null ? 'self' : variableName(node.self);
  let text = `function ${factory}(${captured}) {meter.allocated += ${CLOSURE_BYTES};`;
  text += `var ${self} = ${new StatementEmitter(chunk, node, false).functionText()};`;
  if (chunk.isResumable) text += `${self}.resumable = ${new StatementEmitter(chunk, node, true).functionText()};`;
  chunk.factories[place] = `${text}return ${self};}`;
  return { factory };
}

/** The text of a chunk's functions, and the expression that makes the main one. */
export function emitFunctions(chunk: ChunkCode, main: FunctionNode): { functions: string; main: string } {
  const expression = closure(chunk, main);
  return { functions: chunk.factories.join('\n'), main: expression };
}
