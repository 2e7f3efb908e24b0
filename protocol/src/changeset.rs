//! A changeset as a body: its numbers, its transactions' stamps, then the changes in groups across all transactions.
//! Within a transaction changes come back in the order of the groups: deletes first, then by first mention of their shape.
//! Called by `codec`.

use crate::envelope::{self, Capture, Content, peek};
use crate::error::malformed;
use crate::group::{self, Context, ReadRow};
use crate::input::{Input, unzigzag};
use crate::limits::ROW_CHARGE;
use crate::output::{Output, zigzag};
use crate::shape::{self, Cells, Head, Kind, Row};
use crate::{integers, notes};
use alloc::vec::Vec;
use ebbtide_core::catalogue::Catalogue;
use ebbtide_core::change::{Base, Change, Changeset, Field, Mutation, RowId, Transaction};
use ebbtide_core::clock::Stamp;
use ebbtide_core::error::Malformed;
use ebbtide_core::ids::{DeviceSeq, Millis, Seq};
use ebbtide_core::sorted::SortedMap;

/// 2025-01-01: stamps near it are six bytes until 2059. Others are only longer.
const EPOCH_MS: u64 = 1_735_689_600_000;
const COUNTER_BITS: u32 = 16;

/// Packs a changeset.
pub(crate) fn seal(changeset: &Changeset, catalogue: &Catalogue) -> Vec<u8> {
    assert_eq!(changeset.schema, catalogue.version, "a changeset is sealed with its own catalogue");
    let base = commonest_base(changeset);
    let mut out = Output::default();
    out.varint(changeset.device_seq.0);
    out.varint(changeset.schema.0);
    out.varint(base.seq.0);
    out.signed(changeset.device_seq.0.wrapping_sub(1).wrapping_sub(base.device_seq.0) as i64);
    let content = match changeset.transactions.as_slice() {
        [only] => {
            write_stamp(&mut out, only.stamp);
            Content::OneTransaction
        }
        several => {
            write_stamps(&mut out, several);
            Content::Transactions
        }
    };
    let context = Context { catalogue, transactions: changeset.transactions.len(), base };
    shape::group(rows(changeset)).iter().for_each(|group| group::write(&mut out, group, context));
    notes::write_changeset(&mut out, &changeset.transactions);
    let capture = Capture { origin: changeset.origin, opening: changeset.opening };
    envelope::close(content, capture, out)
}

/// The base that most changes have; of equals the lowest.
fn commonest_base(changeset: &Changeset) -> Base {
    let mut counts: SortedMap<Base, usize> = SortedMap::new();
    let changes = changeset.transactions.iter().flat_map(|transaction| &transaction.changes);
    changes.for_each(|change| *counts.entry(change.base).or_default() += 1);
    let most = counts.into_iter().rev().max_by_key(|(_, count)| *count);
    most.map_or_else(Base::default, |(base, _)| base)
}

fn rows(changeset: &Changeset) -> impl Iterator<Item = Row<'_>> {
    changeset.transactions.iter().enumerate().flat_map(|(transaction, held)| {
        held.changes.iter().map(move |change| Row {
            transaction,
            base: change.base,
            table: change.row.table,
            key: &change.row.key,
            cells: match &change.mutation {
                Mutation::Insert(values) => Cells::Whole(values),
                Mutation::Update(fields) => Cells::Fields(fields),
                Mutation::Delete => Cells::Delete,
            },
        })
    })
}

/// Milliseconds from the epoch, with a bit for a counter that is not zero.
pub(crate) fn write_stamp(out: &mut Output, stamp: Stamp) {
    let millis = zigzag(stamp.millis().0.wrapping_sub(EPOCH_MS) as i64);
    let counter = counter(stamp);
    out.varint(millis << 1 | u64::from(counter != 0));
    if counter != 0 {
        out.varint(counter);
    }
}

fn counter(stamp: Stamp) -> u64 {
    stamp.0 & ((1 << COUNTER_BITS) - 1)
}

/// Reads a stamp.
pub(crate) fn read_stamp(input: &mut Input<'_>) -> Result<Stamp, Malformed> {
    let number = input.varint()?;
    let offset = unzigzag(number >> 1);
    let counter = if number & 1 == 1 { input.varint()? } else { 0 };
    join_stamp(EPOCH_MS.wrapping_add(offset as u64), counter)
}

fn join_stamp(millis: u64, counter: u64) -> Result<Stamp, Malformed> {
    match millis >> (u64::BITS - COUNTER_BITS) == 0 && counter >> COUNTER_BITS == 0 {
        true => Ok(Stamp(Stamp::at(Millis(millis)).0 | counter)),
        false => malformed("stamp out of range"),
    }
}

fn write_stamps(out: &mut Output, transactions: &[Transaction]) {
    out.varint(transactions.len() as u64);
    write_columns_of_stamps(out, transactions.iter().map(|transaction| transaction.stamp));
}

/// Milliseconds and counters, each as a column.
pub(crate) fn write_columns_of_stamps(out: &mut Output, stamps: impl Iterator<Item = Stamp> + Clone) {
    let millis: Vec<i64> = stamps.clone().map(|stamp| stamp.millis().0.wrapping_sub(EPOCH_MS) as i64).collect();
    integers::write(out, &millis);
    let counters: Vec<i64> = stamps.map(|stamp| counter(stamp) as i64).collect();
    integers::write(out, &counters);
}

fn read_stamps(input: &mut Input<'_>) -> Result<Vec<Stamp>, Malformed> {
    let count = input.count()?;
    input.charge(count, ROW_CHARGE)?;
    read_columns_of_stamps(input, count)
}

/// As many stamps as are said and paid for.
pub(crate) fn read_columns_of_stamps(input: &mut Input<'_>, count: usize) -> Result<Vec<Stamp>, Malformed> {
    let millis = integers::read(input, count)?;
    let counters = integers::read(input, count)?;
    let pairs = millis.into_iter().zip(counters);
    pairs.map(|(millis, counter)| join_stamp(EPOCH_MS.wrapping_add(millis as u64), counter as u64)).collect()
}

/// Unpacks a changeset that came under the number `expected`.
pub(crate) fn open(bytes: &[u8], expected: DeviceSeq, catalogue: &Catalogue) -> Result<Changeset, Malformed> {
    let opened = envelope::open(bytes)?;
    let mut input = opened.input();
    let head = peek(&mut input)?;
    if opened.content == Content::Commit {
        return malformed("a commit where a changeset was due");
    }
    if head.device_seq != expected {
        return malformed("a changeset of another number");
    }
    if head.schema != catalogue.version {
        return malformed("a changeset of another schema version");
    }
    let seq = Seq(input.varint()?);
    let behind = input.signed()?;
    let own = head.device_seq.0.wrapping_sub(1).wrapping_sub(behind as u64);
    let base = Base { seq, device_seq: DeviceSeq(own) };
    let stamps = match opened.content {
        Content::OneTransaction => alloc::vec![read_stamp(&mut input)?],
        _ => read_stamps(&mut input)?,
    };
    let transactions = stamps.into_iter().map(|stamp| Transaction { stamp, ..Transaction::default() }).collect();
    let transactions = read_changes(input, transactions, catalogue, base)?;
    let Capture { origin, opening } = opened.capture;
    Ok(Changeset { device_seq: head.device_seq, schema: head.schema, origin, opening, transactions })
}

fn read_changes(
    mut input: Input<'_>,
    mut transactions: Vec<Transaction>,
    catalogue: &Catalogue,
    base: Base,
) -> Result<Vec<Transaction>, Malformed> {
    let context = Context { catalogue, transactions: transactions.len(), base };
    while !input.is_empty() {
        let head = Head::read(&mut input)?;
        if notes::is_notes(&head) {
            notes::read_changeset(&mut input, &mut transactions, catalogue)?;
            continue;
        }
        if head.kind == Kind::Conflict {
            return malformed("conflicts in a changeset");
        }
        let mut group = group::read(&mut input, &head, context)?;
        let columns = core::mem::take(&mut group.columns);
        if let [only] = transactions.as_mut_slice() {
            only.changes.reserve_exact(head.rows);
        }
        for ReadRow { transaction, base, key, values } in group.into_rows() {
            let mutation = match head.kind {
                Kind::Whole => Mutation::Insert(values),
                Kind::Fields => Mutation::Update(fields(&columns, values)),
                _ => Mutation::Delete,
            };
            let row = RowId { table: head.table, key };
            transactions[transaction].changes.push(Change { row, mutation, base });
        }
    }
    input.finish()?;
    Ok(transactions)
}

/// Puts columns and values together again.
pub(crate) fn fields(columns: &[ebbtide_core::ids::ColumnId], values: Vec<ebbtide_core::value::Value>) -> Vec<Field> {
    columns.iter().zip(values).map(|(&column, value)| Field { column, value }).collect()
}
