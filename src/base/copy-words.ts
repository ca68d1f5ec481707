/**
 * Copies a few bytes from any place to any place, four at a time: what a call that copies costs is what 128 bytes cost here. The two parts
 * don't overlap.
 */
export function copyWords(from: DataView, start: number, to: DataView, at: number, size: number): void {
  if (size < 4) {
    for (let index = 0; index < size; index++) to.setUint8(at + index, from.getUint8(start + index));
    return;
  }
  const last = size - 4;
  for (let done = 0; done < last; done += 4) to.setInt32(at + done, from.getInt32(start + done, true), true);
  // The last word may begin within the one before it.
  to.setInt32(at + last, from.getInt32(start + last, true), true);
}

let viewed: Uint8Array = new Uint8Array(0);
let view = new DataView(viewed.buffer);
let otherViewed = viewed;
let otherView = view;

/** A view to read words of these bytes. The last two are kept: requests come many to a buffer. */
export function viewOf(bytes: Uint8Array): DataView {
  if (viewed === bytes) return view;
  const kept = viewed;
  const keptView = view;
  view = otherViewed === bytes ? otherView : new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  viewed = bytes;
  otherViewed = kept;
  otherView = keptView;
  return view;
}
