/**
 * Finds the messages in one direction of a WebSocket connection and tells how long their payload is (RFC 6455, 5.2).
 * It reads heads and skips payloads; control frames do not count. The counting proxy feeds it.
 */

const TEXT = 1;
const BINARY = 2;
const CONTINUATION = 0;
const HEAD_END = Buffer.from('\r\n\r\n');

export class FrameCounter {
  #onMessage;
  #buffered = Buffer.alloc(0);
  #skip = 0;
  #isInHead;
  /** Payload of the message under way, and whether its present frame is the last one. */
  #message = 0;
  #ends = false;

  /** `afterHead`: the stream begins with the answer to the handshake, which is passed over. */
  constructor(onMessage, { afterHead = false } = {}) {
    this.#onMessage = onMessage;
    this.#isInHead = afterHead;
  }

  push(bytes) {
    this.#buffered = this.#buffered.length === 0 ? bytes : Buffer.concat([this.#buffered, bytes]);
    while (this.#step()) {}
  }

  #step() {
    if (this.#isInHead) return this.#endOfHead();
    if (this.#skip > 0) return this.#payload();
    return this.#frameHead();
  }

  #endOfHead() {
    const end = this.#buffered.indexOf(HEAD_END);
    if (end < 0) return false;
    this.#buffered = this.#buffered.subarray(end + HEAD_END.length);
    this.#isInHead = false;
    return true;
  }

  #payload() {
    const length = Math.min(this.#skip, this.#buffered.length);
    this.#buffered = this.#buffered.subarray(length);
    this.#skip -= length;
    if (this.#skip > 0) return false;
    this.#endOfFrame();
    return true;
  }

  #frameHead() {
    const head = parseHead(this.#buffered);
    if (head === undefined) return false;
    this.#buffered = this.#buffered.subarray(head.size);
    this.#skip = head.payload;
    const isData = head.opcode === TEXT || head.opcode === BINARY || head.opcode === CONTINUATION;
    if (isData) this.#message += head.payload;
    this.#ends = isData && head.final;
    if (this.#skip === 0) this.#endOfFrame();
    return true;
  }

  #endOfFrame() {
    if (!this.#ends) return;
    this.#onMessage(this.#message);
    this.#message = 0;
    this.#ends = false;
  }
}

/** The head of the next frame, or undefined while it is incomplete. */
function parseHead(bytes) {
  if (bytes.length < 2) return undefined;
  const short = bytes[1] & 0x7f;
  const extended = short === 126 ? 2 : short === 127 ? 8 : 0;
  const size = 2 + extended + (bytes[1] & 0x80 ? 4 : 0);
  if (bytes.length < size) return undefined;
  const payload = extended === 0 ? short : extended === 2 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2));
  return { size, payload, opcode: bytes[0] & 0x0f, final: (bytes[0] & 0x80) !== 0 };
}
