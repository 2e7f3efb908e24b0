//! What a changeset or commit says beside its rows: resolutions and what had been seen; the queue of open conflicts and its people.
//! It stands in one group of a kind of its own, at the end, and only where there is something to say.
//! Called by `changeset` and `commit`.

use crate::changeset;
use crate::error::malformed;
use crate::input::Input;
use crate::integers;
use crate::limits::{ROW_CHARGE, VALUE_CHARGE};
use crate::output::Output;
use crate::scalar;
use crate::shape::{Head, Kind};
use alloc::vec::Vec;
use ebbtide_core::catalogue::{Catalogue, Table};
use ebbtide_core::change::{Field, RowId, Transaction};
use ebbtide_core::clock::Stamp;
use ebbtide_core::commit::Commit;
use ebbtide_core::conflict::{
    AuthorName, Claim, Claimed, ClosedConflict, Closing, ConflictId, OpenConflict, QueueChange, QueueState, Resolution,
    SeenValue,
};
use ebbtide_core::error::Malformed;
use ebbtide_core::ids::{AuthorId, ColumnId, DeviceSeq, Incarnation, Millis, Seq, TableId};
use ebbtide_core::value::{Key, Value};

/// The head of a group of notes: no table, and the bit that no group of conflicts has.
fn head() -> Head {
    Head { own_bases: true, ..Head::new(TableId(0), Kind::Conflict, 1) }
}

/// Whether a group is one of notes.
pub(crate) fn is_notes(head: &Head) -> bool {
    head.kind == Kind::Conflict && head.own_bases
}

/// Writes what the transactions resolve, had seen and stand for.
pub(crate) fn write_changeset(out: &mut Output, transactions: &[Transaction]) {
    let says_nothing = |t: &Transaction| t.resolutions.is_empty() && t.seen.is_empty() && t.absorbed.is_empty();
    if transactions.iter().all(says_nothing) {
        return;
    }
    head().write(out);
    let resolutions: Vec<(usize, &Resolution)> = each(transactions, |transaction| &transaction.resolutions);
    out.varint(resolutions.len() as u64);
    for (transaction, resolution) in resolutions {
        out.varint(transaction as u64);
        write_id(out, resolution.conflict);
        out.varint(resolution.seen.0);
        out.varint(resolution.side.map_or(0, |side| u64::from(side) + 1));
    }
    let seen: Vec<(usize, &SeenValue)> = each(transactions, |transaction| &transaction.seen);
    out.varint(seen.len() as u64);
    for (transaction, seen) in seen {
        out.varint(transaction as u64);
        write_row(out, &seen.row);
        out.varint(u64::from(seen.column.0));
        scalar::write(out, &seen.value);
    }
    write_absorbed(out, &each(transactions, |transaction| &transaction.absorbed));
}

/// Nothing where nothing was absorbed: who does not fold says what it always said.
fn write_absorbed(out: &mut Output, absorbed: &[(usize, &Stamp)]) {
    if absorbed.is_empty() {
        return;
    }
    out.varint(absorbed.len() as u64);
    let places: Vec<i64> = absorbed.iter().map(|(place, _)| *place as i64).collect();
    integers::write(out, &places);
    changeset::write_columns_of_stamps(out, absorbed.iter().map(|(_, stamp)| **stamp));
}

/// In the order of the transactions, each one's ascending, as they are written.
fn read_absorbed(input: &mut Input<'_>, transactions: &mut [Transaction]) -> Result<(), Malformed> {
    if input.is_empty() {
        return Ok(());
    }
    let count = count(input)?;
    let places = integers::read(input, count)?;
    let stamps = changeset::read_columns_of_stamps(input, count)?;
    let mut last = None;
    for (place, stamp) in places.into_iter().zip(stamps) {
        let id = (usize::try_from(place).unwrap_or(usize::MAX), stamp);
        let Some(transaction) = transactions.get_mut(id.0) else { return malformed("notes: unknown transaction") };
        if last.is_some_and(|last| last >= id) || stamp >= transaction.stamp {
            return malformed("notes: transactions that disappeared, out of order");
        }
        transaction.absorbed.push(stamp);
        last = Some(id);
    }
    if count == 0 { malformed("notes: nothing said at length") } else { Ok(()) }
}

fn each<T>(transactions: &[Transaction], notes: impl Fn(&Transaction) -> &Vec<T>) -> Vec<(usize, &T)> {
    let of = |(at, transaction)| notes(transaction).iter().map(move |note| (at, note));
    transactions.iter().enumerate().flat_map(of).collect()
}

/// Reads what `write_changeset` wrote into the transactions.
pub(crate) fn read_changeset(
    input: &mut Input<'_>,
    transactions: &mut [Transaction],
    catalogue: &Catalogue,
) -> Result<(), Malformed> {
    for _ in 0..count(input)? {
        let at = transaction(input, transactions.len())?;
        let (conflict, seen) = (read_id(input)?, Seq(input.varint()?));
        let side = input.varint_u32()?.checked_sub(1);
        transactions[at].resolutions.push(Resolution { conflict, seen, side });
    }
    for _ in 0..count(input)? {
        let at = transaction(input, transactions.len())?;
        let (row, table) = read_row(input, catalogue)?;
        let column = read_field(input, table)?;
        let value = scalar::read(input)?;
        transactions[at].seen.push(SeenValue { row, column, value });
    }
    read_absorbed(input, transactions)
}

fn transaction(input: &mut Input<'_>, transactions: usize) -> Result<usize, Malformed> {
    let at = input.count()?;
    if at < transactions { Ok(at) } else { malformed("notes: unknown transaction") }
}

fn count(input: &mut Input<'_>) -> Result<usize, Malformed> {
    let count = input.count()?;
    input.charge(count, ROW_CHARGE)?;
    Ok(count)
}

/// Writes the queue and the people.
pub(crate) fn write_commit(out: &mut Output, commit: &Commit) {
    if commit.queue.is_empty() && commit.authors.is_empty() {
        return;
    }
    head().write(out);
    out.varint(commit.authors.len() as u64);
    for author in &commit.authors {
        out.varint(u64::from(author.id.0));
        out.bytes(&author.incarnation.0);
        out.varint(author.user.len() as u64);
        out.bytes(author.user.as_bytes());
    }
    out.varint(commit.queue.len() as u64);
    commit.queue.iter().for_each(|change| write_change(out, change));
}

/// What `write_commit` wrote.
pub(crate) fn read_commit(
    input: &mut Input<'_>,
    catalogue: &Catalogue,
) -> Result<(Vec<AuthorName>, Vec<QueueChange>), Malformed> {
    let authors: Result<Vec<_>, Malformed> = (0..count(input)?).map(|_| read_author(input)).collect();
    let authors = authors?;
    let queue: Result<Vec<_>, Malformed> = (0..count(input)?).map(|_| read_change(input, catalogue)).collect();
    Ok((authors, queue?))
}

fn read_author(input: &mut Input<'_>) -> Result<AuthorName, Malformed> {
    let (id, incarnation) = (AuthorId(input.varint_u32()?), Incarnation(input.array()?));
    let length = input.count()?;
    input.charge(length, 1)?;
    let user = scalar::text(input.bytes(length)?)?;
    Ok(AuthorName { id, incarnation, user })
}

const OPENED: u8 = 0;
const SIDES: u8 = 1;
const RESOLVED: u8 = 2;
const MOOT: u8 = 3;

fn write_change(out: &mut Output, change: &QueueChange) {
    let kind = match change {
        QueueChange::Opened(_) => OPENED,
        QueueChange::Sides { .. } => SIDES,
        QueueChange::Closed(ClosedConflict { closing: Closing::Resolved(_), .. }) => RESOLVED,
        QueueChange::Closed(_) => MOOT,
    };
    out.byte(kind);
    write_id(out, change.id());
    match change {
        QueueChange::Opened(open) => write_open(out, open),
        QueueChange::Sides { sides, state, .. } => {
            write_state(out, *state);
            write_sides(out, sides);
        }
        QueueChange::Closed(closed) => {
            out.varint(u64::from(closed.by.0));
            if let Closing::Resolved(claimed) = &closed.closing {
                write_claimed(out, claimed);
            }
        }
    }
}

fn write_open(out: &mut Output, open: &OpenConflict) {
    write_row(out, &open.row);
    out.varint(open.column.map_or(0, |column| u64::from(column.0) + 1));
    write_base(out, open.base.as_ref());
    out.varint(open.opened_at.0);
    write_state(out, open.state);
    write_sides(out, &open.sides);
}

fn read_change(input: &mut Input<'_>, catalogue: &Catalogue) -> Result<QueueChange, Malformed> {
    let (kind, id) = (input.byte()?, read_id(input)?);
    match kind {
        OPENED => read_open(input, id, catalogue).map(QueueChange::Opened),
        SIDES => {
            let state = read_state(input)?;
            Ok(QueueChange::Sides { id, sides: read_sides(input)?, state })
        }
        RESOLVED | MOOT => {
            let by = AuthorId(input.varint_u32()?);
            let closing = if kind == MOOT { Closing::Moot } else { Closing::Resolved(read_claimed(input)?) };
            Ok(QueueChange::Closed(ClosedConflict { id, closing, by }))
        }
        _ => malformed("notes: unknown change of the queue"),
    }
}

fn read_open(input: &mut Input<'_>, id: ConflictId, catalogue: &Catalogue) -> Result<OpenConflict, Malformed> {
    let (row, table) = read_row(input, catalogue)?;
    let column = match input.varint()? {
        0 => None,
        place if place <= table.columns.len() as u64 => Some(ColumnId((place - 1) as u16)),
        _ => return malformed("notes: unknown column"),
    };
    let base = read_base(input)?;
    let (opened_at, state) = (Millis(input.varint()?), read_state(input)?);
    Ok(OpenConflict { id, row, column, base, sides: read_sides(input)?, opened_at, state })
}

const NO_BASE: u8 = 0;
const BASE_VALUE: u8 = 1;
const BASE_ROW: u8 = 2;

/// A base that is a deletion does not exist; it would be left out.
fn write_base(out: &mut Output, base: Option<&Claimed>) {
    match base {
        None | Some(Claimed::Deleted) => out.byte(NO_BASE),
        Some(Claimed::Value(value)) => {
            out.byte(BASE_VALUE);
            scalar::write(out, value);
        }
        Some(Claimed::Row(fields)) => {
            out.byte(BASE_ROW);
            write_fields(out, fields);
        }
    }
}

fn read_base(input: &mut Input<'_>) -> Result<Option<Claimed>, Malformed> {
    Ok(match input.byte()? {
        NO_BASE => None,
        BASE_VALUE => Some(Claimed::Value(scalar::read(input)?)),
        BASE_ROW => Some(Claimed::Row(read_fields(input)?)),
        _ => return malformed("notes: unknown flag"),
    })
}

fn write_id(out: &mut Output, id: ConflictId) {
    out.varint(id.seq.0);
    out.varint(u64::from(id.index));
}

fn read_id(input: &mut Input<'_>) -> Result<ConflictId, Malformed> {
    Ok(ConflictId { seq: Seq(input.varint()?), index: input.varint_u32()? })
}

fn write_state(out: &mut Output, state: QueueState) {
    out.varint(state.changed.0);
    out.varint(u64::from(state.by.0));
    out.varint(state.before.0);
}

fn read_state(input: &mut Input<'_>) -> Result<QueueState, Malformed> {
    Ok(QueueState { changed: Seq(input.varint()?), by: AuthorId(input.varint_u32()?), before: Seq(input.varint()?) })
}

fn write_row(out: &mut Output, row: &RowId) {
    out.varint(u64::from(row.table.0));
    row.key.0.iter().for_each(|part| scalar::write(out, part));
}

fn read_row<'a>(input: &mut Input<'_>, catalogue: &'a Catalogue) -> Result<(RowId, &'a Table), Malformed> {
    let number = u16::try_from(input.varint()?).or(malformed("notes: table out of range"))?;
    let table = catalogue.table(TableId(number)).ok_or(Malformed { what: "notes: unknown table" })?;
    let key: Result<Vec<Value>, Malformed> = table.key.iter().map(|_| scalar::read(input)).collect();
    Ok((RowId { table: TableId(number), key: Key(key?) }, table))
}

/// A column that is not part of the key.
fn read_field(input: &mut Input<'_>, table: &Table) -> Result<ColumnId, Malformed> {
    let column = ColumnId(u16::try_from(input.varint()?).or(malformed("notes: column out of range"))?);
    match table.field_position(column) {
        Some(_) => Ok(column),
        None => malformed("notes: unknown column"),
    }
}

fn write_sides(out: &mut Output, sides: &[Claim]) {
    out.varint(sides.len() as u64);
    for side in sides {
        out.varint(u64::from(side.author.0));
        out.varint(side.device_seq.0);
        out.varint(side.stamp.0);
        write_claimed(out, &side.claimed);
    }
}

fn read_sides(input: &mut Input<'_>) -> Result<Vec<Claim>, Malformed> {
    let count = count(input)?;
    let side = |_| {
        let (author, device_seq) = (AuthorId(input.varint_u32()?), DeviceSeq(input.varint()?));
        let stamp = Stamp(input.varint()?);
        Ok(Claim { claimed: read_claimed(input)?, author, device_seq, stamp })
    };
    (0..count).map(side).collect()
}

const VALUE: u8 = 0;
const DELETED: u8 = 1;
const ROW: u8 = 2;

/// Writes what a side wants.
pub(crate) fn write_claimed(out: &mut Output, claimed: &Claimed) {
    match claimed {
        Claimed::Value(value) => {
            out.byte(VALUE);
            scalar::write(out, value);
        }
        Claimed::Deleted => out.byte(DELETED),
        Claimed::Row(fields) => {
            out.byte(ROW);
            write_fields(out, fields);
        }
    }
}

fn write_fields(out: &mut Output, fields: &[Field]) {
    out.varint(fields.len() as u64);
    for field in fields {
        out.varint(u64::from(field.column.0));
        scalar::write(out, &field.value);
    }
}

fn read_fields(input: &mut Input<'_>) -> Result<Vec<Field>, Malformed> {
    let count = input.count()?;
    input.charge(count, 2 * VALUE_CHARGE)?;
    let field = |_| {
        let column = u16::try_from(input.varint()?).or(malformed("notes: column out of range"))?;
        Ok(Field { column: ColumnId(column), value: scalar::read(input)? })
    };
    (0..count).map(field).collect()
}

/// Reads what a side wants.
pub(crate) fn read_claimed(input: &mut Input<'_>) -> Result<Claimed, Malformed> {
    match input.byte()? {
        VALUE => Ok(Claimed::Value(scalar::read(input)?)),
        DELETED => Ok(Claimed::Deleted),
        ROW => Ok(Claimed::Row(read_fields(input)?)),
        _ => malformed("notes: unknown claim"),
    }
}
