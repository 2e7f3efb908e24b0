//! One file: what a reader sees, what is safe, and the writes in between, in order.
//! It knows nothing of faults but their outcome: how many bytes of each unsafe write came through.
//! Part of the disk.

/// What was written since the last flush.
#[derive(Debug, Clone)]
enum Write {
    Bytes { at: usize, bytes: Box<[u8]> },
    Truncate { len: usize },
}

/// See the file's header.
#[derive(Debug, Clone)]
pub(super) struct File {
    pub(super) name: String,
    pub(super) exists: bool,
    seen: Vec<u8>,
    safe: Vec<u8>,
    unsafe_writes: Vec<Write>,
}

impl File {
    pub(super) fn new(name: &str) -> Self {
        Self { exists: true, ..Self::absent(name) }
    }

    pub(super) fn absent(name: &str) -> Self {
        Self { name: name.into(), exists: false, seen: Vec::new(), safe: Vec::new(), unsafe_writes: Vec::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.seen.len()
    }

    /// Fills `into`, with zeros where the file has ended; false if it has.
    pub(super) fn read(&self, at: usize, into: &mut [u8]) -> bool {
        let from = at.min(self.seen.len());
        let there = (self.seen.len() - from).min(into.len());
        into[..there].copy_from_slice(&self.seen[from..from + there]);
        into[there..].fill(0);
        there == into.len()
    }

    pub(super) fn write(&mut self, at: usize, bytes: Box<[u8]>) {
        put(&mut self.seen, at, &bytes);
        self.unsafe_writes.push(Write::Bytes { at, bytes });
    }

    pub(super) fn delete(&mut self) {
        *self = Self::absent(&self.name);
    }

    pub(super) fn truncate(&mut self, len: usize) {
        self.seen.resize(len, 0);
        self.unsafe_writes.push(Write::Truncate { len });
    }

    pub(super) fn flush(&mut self) {
        for write in self.unsafe_writes.drain(..) {
            match write {
                Write::Bytes { at, bytes } => put(&mut self.safe, at, &bytes),
                Write::Truncate { len } => self.safe.resize(len, 0),
            }
        }
    }

    /// After the power is back: of each unsafe write so many bytes are there as `fate` says of its length.
    pub(super) fn settle(&mut self, fate: &mut impl FnMut(usize) -> usize) {
        for write in self.unsafe_writes.drain(..) {
            match write {
                Write::Bytes { at, bytes } => put(&mut self.safe, at, &bytes[..fate(bytes.len())]),
                Write::Truncate { len } => {
                    if fate(1) == 1 {
                        self.safe.resize(len, 0);
                    }
                }
            }
        }
        self.seen.clone_from(&self.safe);
    }
}

fn put(content: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    if bytes.is_empty() {
        return;
    }
    if content.len() < at + bytes.len() {
        content.resize(at + bytes.len(), 0);
    }
    content[at..at + bytes.len()].copy_from_slice(bytes);
}
