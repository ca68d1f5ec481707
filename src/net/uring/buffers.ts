/** Memory for the network of one thread: buffers the kernel receives into, and slots that replies are sent from. */
import { type Mapping, mapMemory } from './libc.ts';
import type { Ring } from './ring.ts';

const TWO_32 = 4294967296;

/**
 * Provided buffers: the kernel takes one from the ring when bytes arrive, so an idle connection has no buffer at all.
 * Ring entry (16 bytes): address, length, buffer id; the ring's tail is the 16 bits at byte 14.
 */
export class ReceiveBuffers {
  static readonly GROUP = 0;
  static readonly BYTES = 16384;
  private static readonly COUNT = 256;
  /** All buffers; buffer `id` begins at `id * BYTES`. */
  readonly bytes: Buffer;
  private readonly memory: Mapping;
  private readonly ring: Mapping;
  private readonly halves: Uint16Array;
  private tail = 0;

  constructor(ring: Ring) {
    this.memory = mapMemory(ReceiveBuffers.COUNT * ReceiveBuffers.BYTES);
    this.bytes = this.memory.bytes;
    this.ring = mapMemory(ReceiveBuffers.COUNT * 16);
    this.halves = new Uint16Array(this.ring.words.buffer);
    ring.registerBuffers(this.ring, ReceiveBuffers.COUNT, ReceiveBuffers.GROUP);
    for (let id = 0; id < ReceiveBuffers.COUNT; id++) this.giveBack(id);
  }
  /** The buffer may be received into again. */
  giveBack(id: number): void {
    const { words } = this.ring;
    const at = (this.tail & (ReceiveBuffers.COUNT - 1)) * 4;
    const address = this.memory.address + id * ReceiveBuffers.BYTES;
    words[at] = address | 0;
    words[at + 1] = (address / TWO_32) | 0;
    words[at + 2] = ReceiveBuffers.BYTES;
    // The upper half of this word is the tail, in the first entry: it must not be touched here.
    this.halves[at * 2 + 6] = id;
    this.tail = (this.tail + 1) & 0xffff;
    Atomics.store(this.halves, 7, this.tail);
  }
}

const SLOTS_PER_ARENA = 64;

/** Slots of 64 KiB for bytes that the kernel is to send. A slot is a number; arenas are mapped as they are needed. */
export class SendSlots {
  static readonly BYTES = 65536;
  private readonly arenas: Mapping[] = [];
  private readonly free: number[] = [];

  take(): number {
    if (this.free.length === 0) {
      const first = this.arenas.length * SLOTS_PER_ARENA;
      this.arenas.push(mapMemory(SLOTS_PER_ARENA * SendSlots.BYTES));
      for (let slot = first + SLOTS_PER_ARENA - 1; slot >= first; slot--) this.free.push(slot);
    }
    return this.free.pop() as number;
  }
  giveBack(slot: number): void {
    this.free.push(slot);
  }
  bytesOf(slot: number): Buffer {
    return (this.arenas[Math.floor(slot / SLOTS_PER_ARENA)] as Mapping).bytes;
  }
  /** Where the slot begins in `bytesOf(slot)`. */
  startOf(slot: number): number {
    return (slot % SLOTS_PER_ARENA) * SendSlots.BYTES;
  }
  addressOf(slot: number): number {
    return (this.arenas[Math.floor(slot / SLOTS_PER_ARENA)] as Mapping).address + this.startOf(slot);
  }
}
