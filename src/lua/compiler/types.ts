/**
 * What is known of expressions and locals before a script runs, so that the emitter can leave out checks. All assignments of a
 * local are in sight, so its type is the join of theirs: the smallest solution, found by iterating upwards from "unset".
 */
import type { BinaryOperator, Expression, StaticType, UnaryOperator } from './ast.ts';
import type { Assignment } from './scope.ts';
import { isNatural } from './scope.ts';

const MAX_PASSES = 12;

const isUnsetOrNumber = (type: StaticType): boolean => type === 'number' || type === 'natural' || type === 'unset';
export const isNumeric = (type: StaticType): boolean => type === 'number' || type === 'natural';

export function join(a: StaticType, b: StaticType): StaticType {
  if (a === b || b === 'unset') return a;
  if (a === 'unset') return b;
  return isNumeric(a) && isNumeric(b) ? 'number' : 'any';
}
export function binaryType(operator: BinaryOperator, left: StaticType, right: StaticType, isRightNatural: boolean): StaticType {
  switch (operator) {
    case '==':
    case '~=':
    case '<':
    case '<=':
    case '>':
    case '>=':
      return 'boolean';
    case '..':
      return (isUnsetOrNumber(left) || left === 'string') && (isUnsetOrNumber(right) || right === 'string') ? 'string' : 'any';
    case '%':
      if (left === 'natural' && isRightNatural) return 'natural';
      break;
    default:
  }
  return isUnsetOrNumber(left) && isUnsetOrNumber(right) ? 'number' : 'any';
}
export function unaryType(operator: UnaryOperator, operand: StaticType): StaticType {
  if (operator === 'not') return 'boolean';
  if (operator === '#') return 'natural';
  return isUnsetOrNumber(operand) ? 'number' : 'any';
}
/** The type of `left and right` or `left or right`. */
export function logicalType(operator: 'and' | 'or', left: StaticType, right: StaticType): StaticType {
  if (left === 'unset') return right;
  const isAlwaysTrue = left !== 'any' && left !== 'nil' && left !== 'boolean';
  if (isAlwaysTrue) return operator === 'and' ? right : left;
  if (left === 'nil') return operator === 'and' ? 'nil' : right;
  if (left === 'boolean' && right === 'boolean') return 'boolean';
  return 'any';
}

export function typeOf(node: Expression): StaticType {
  switch (node.kind) {
    case 'nil':
      return 'nil';
    case 'true':
    case 'false':
      return 'boolean';
    case 'number':
      return isNatural(node) ? 'natural' : 'number';
    case 'string':
    case 'table':
    case 'function':
      return node.kind;
    case 'paren':
      return typeOf(node.inner);
    case 'name':
      return node.variable === null ? 'any' : node.variable.type;
    case 'binary':
    case 'logical':
      return chainType(node);
    case 'unary':
      return unaryType(node.operator, typeOf(node.operand));
    default:
      return 'any';
  }
}
function chainType(node: Expression): StaticType {
  const chain: Expression[] = [];
  let left = node;
  while (left.kind === 'binary' || left.kind === 'logical') {
    chain.push(left);
    left = left.left;
  }
  let type = typeOf(left);
  for (let at = chain.length - 1; at >= 0; at--) {
    const link = chain[at] as Expression;
    if (link.kind === 'binary') type = binaryType(link.operator, type, typeOf(link.right), isPositiveNatural(link.right));
    else if (link.kind === 'logical') type = logicalType(link.operator, type, typeOf(link.right));
  }
  return type;
}
export function isPositiveNatural(node: Expression): boolean {
  return isNatural(node) && node.kind === 'number' && node.value > 0;
}

/** Sets `type` of all variables. */
export function inferTypes(assignments: readonly Assignment[]): void {
  for (let pass = 0; pass < MAX_PASSES; pass++) {
    let hasChanged = false;
    for (const { variable, source } of assignments) {
      const type = join(variable.type, typeof source === 'string' ? source : typeOf(source));
      if (type === variable.type) continue;
      variable.type = type;
      hasChanged = true;
    }
    if (!hasChanged) return;
  }
  for (const { variable } of assignments) variable.type = 'any';
}
