/** Methods that every Node's Buffer has and its types leave out: a call of them is half the cost of toString('latin1') and write(). */
interface Buffer {
  latin1Slice(start?: number, end?: number): string;
  latin1Write(text: string, offset?: number, length?: number): number;
}
