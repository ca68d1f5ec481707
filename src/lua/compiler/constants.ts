/** What Lua 5.1 knows of an expression when it compiles (lcode.c: constfolding, codenot, luaK_goiftrue): messages depend on it. */
import type { BinaryOperator, Expression, LogicalNode } from './ast.ts';

/** A number's value, or the kind of what is none; null: known only when it runs. */
type Constant = number | 'nil' | 'true' | 'false' | 'string' | null;

const FOLDED: Partial<Record<BinaryOperator, (left: number, right: number) => number>> = {
  '+': (left, right) => left + right,
  '-': (left, right) => left - right,
  '*': (left, right) => left * right,
  '/': (left, right) => (right === 0 ? Number.NaN : left / right),
  '%': (left, right) => left - Math.floor(left / right) * right,
  '^': (left, right) => left ** right,
};

/** The left operand is a constant that hands the choice on to the right one. */
export function passes({ operator, left }: LogicalNode): boolean {
  const constant = constantOf(left);
  if (constant === null) return false;
  const isFalse = constant === 'nil' || constant === 'false';
  return operator === 'or' ? isFalse : !isFalse;
}

function constantOf(node: Expression): Constant {
  switch (node.kind) {
    case 'paren':
      return constantOf(node.inner);
    case 'number':
      return node.value;
    case 'nil':
    case 'true':
    case 'false':
    case 'string':
      return node.kind;
    case 'unary': {
      const operand = constantOf(node.operand);
      if (node.operator === '-') return typeof operand === 'number' ? -operand : null;
      if (node.operator !== 'not' || operand === null) return null;
      return operand === 'nil' || operand === 'false' ? 'true' : 'false';
    }
    case 'binary': {
      const [left, right] = [constantOf(node.left), constantOf(node.right)];
      if (typeof left !== 'number' || typeof right !== 'number') return null;
      const value = FOLDED[node.operator]?.(left, right) ?? Number.NaN;
      // What is no number is left to the run.
      return Number.isNaN(value) ? null : value;
    }
    case 'logical':
      return passes(node) ? constantOf(node.right) : null;
    default:
      return null;
  }
}
