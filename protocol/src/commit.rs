//! A commit as a body: whose it is, its stamp, then outcomes and conflicts in groups.
//! Outcomes come back in the order of the groups: deletes first, then by first mention of their shape; conflicts by table and column.
//! Called by `codec`.

use crate::changeset::{fields, read_stamp, write_stamp};
use crate::envelope::{self, Content, peek};
use crate::error::malformed;
use crate::group::{self, Context, ReadRow};
use crate::input::Input;
use crate::output::Output;
use crate::shape::{self, Cells, Head, Kind, Row};
use crate::{column, integers};
use alloc::vec::Vec;
use ebbtide_core::catalogue::{Catalogue, Table};
use ebbtide_core::change::{Base, RowId};
use ebbtide_core::commit::{Commit, Conflict, Effect, Outcome, Side};
use ebbtide_core::error::Malformed;
use ebbtide_core::ids::{AuthorId, ColumnId};
use ebbtide_core::value::Value;

/// Packs a commit.
pub(crate) fn seal(commit: &Commit, catalogue: &Catalogue) -> Vec<u8> {
    assert_eq!(commit.schema, catalogue.version, "a commit is packed with its own catalogue");
    let mut out = Output::default();
    out.varint(commit.device_seq.0);
    out.varint(u64::from(commit.schema.0));
    out.varint(u64::from(commit.author.0));
    write_stamp(&mut out, commit.stamp);
    let context = context(catalogue);
    shape::group(rows(commit)).iter().for_each(|group| group::write(&mut out, group, context));
    write_conflicts(&mut out, &commit.conflicts, catalogue);
    envelope::close(Content::Commit, None, out)
}

fn context(catalogue: &Catalogue) -> Context<'_> {
    Context { catalogue, transactions: 1, base: Base::default() }
}

fn rows(commit: &Commit) -> impl Iterator<Item = Row<'_>> {
    commit.outcomes.iter().map(|outcome| Row {
        transaction: 0,
        base: Base::default(),
        table: outcome.row.table,
        key: &outcome.row.key,
        cells: match &outcome.effect {
            Effect::Put(values) => Cells::Whole(values),
            Effect::Set(fields) => Cells::Fields(fields),
            Effect::Delete => Cells::Delete,
        },
    })
}

/// Conflicts of one table and column stand together, groups in the order of first mention.
fn write_conflicts(out: &mut Output, conflicts: &[Conflict], catalogue: &Catalogue) {
    let mut groups: Vec<Vec<&Conflict>> = Vec::new();
    for conflict in conflicts {
        let place = (conflict.row.table, conflict.column);
        match groups.iter_mut().find(|group| (group[0].row.table, group[0].column) == place) {
            Some(group) => group.push(conflict),
            None => groups.push(alloc::vec![conflict]),
        }
    }
    groups.iter().for_each(|group| write_conflict_group(out, group, catalogue));
}

fn write_conflict_group(out: &mut Output, group: &[&Conflict], catalogue: &Catalogue) {
    let first = group[0];
    let table = catalogue.table(first.row.table).expect("a conflict is of a table of the catalogue");
    Head::new(first.row.table, Kind::Conflict, group.len()).write(out);
    out.varint(first.column.map_or(0, |column| u64::from(column.0) + 1));
    group::write_keys(out, table, group.iter().map(|conflict| &conflict.row.key));
    integers::write(out, &group.iter().map(|conflict| side_code(conflict.kept)).collect::<Vec<_>>());
    integers::write(out, &group.iter().map(|conflict| i64::from(conflict.incumbent.0)).collect::<Vec<_>>());
    column::write(out, &group.iter().map(|conflict| &conflict.lost).collect::<Vec<_>>());
}

fn side_code(side: Side) -> i64 {
    match side {
        Side::Incumbent => 0,
        Side::Challenger => 1,
    }
}

/// Unpacks a commit.
pub(crate) fn open(bytes: &[u8], catalogue: &Catalogue) -> Result<Commit, Malformed> {
    let opened = envelope::open(bytes)?;
    let mut input = opened.input();
    let head = peek(&mut input)?;
    if opened.content != Content::Commit {
        return malformed("a changeset where a commit was due");
    }
    if head.schema != catalogue.version {
        return malformed("a commit of another schema version");
    }
    let author = AuthorId(input.varint_u32()?);
    let stamp = read_stamp(&mut input)?;
    let (outcomes, conflicts) = read_groups(input, catalogue)?;
    Ok(Commit { author, device_seq: head.device_seq, schema: head.schema, stamp, outcomes, conflicts })
}

fn read_groups(mut input: Input<'_>, catalogue: &Catalogue) -> Result<(Vec<Outcome>, Vec<Conflict>), Malformed> {
    let (mut outcomes, mut conflicts) = (Vec::new(), Vec::new());
    while !input.is_empty() {
        let head = Head::read(&mut input)?;
        match head.kind {
            Kind::Conflict => read_conflicts(&mut input, &head, catalogue, &mut conflicts)?,
            _ => read_outcomes(&mut input, &head, catalogue, &mut outcomes)?,
        }
    }
    input.finish()?;
    Ok((outcomes, conflicts))
}

fn read_outcomes(
    input: &mut Input<'_>,
    head: &Head,
    catalogue: &Catalogue,
    outcomes: &mut Vec<Outcome>,
) -> Result<(), Malformed> {
    let mut group = group::read(input, head, context(catalogue))?;
    let columns = core::mem::take(&mut group.columns);
    outcomes.extend(group.into_rows().map(|ReadRow { key, values, .. }| Outcome {
        row: RowId { table: head.table, key },
        effect: match head.kind {
            Kind::Whole => Effect::Put(values),
            Kind::Fields => Effect::Set(fields(&columns, values)),
            _ => Effect::Delete,
        },
    }));
    Ok(())
}

fn read_conflicts(
    input: &mut Input<'_>,
    head: &Head,
    catalogue: &Catalogue,
    conflicts: &mut Vec<Conflict>,
) -> Result<(), Malformed> {
    let table = head.table(catalogue)?;
    let column = read_place(input, table)?;
    let keys = group::read_keys(input, table, head.rows)?;
    let kept = integers::read(input, head.rows)?;
    let incumbents = integers::read_lengths(input, head.rows)?;
    let lost: Vec<Value> = column::read(input, head.rows)?;
    for ((key, kept), (incumbent, lost)) in keys.into_iter().zip(kept).zip(incumbents.into_iter().zip(lost)) {
        let kept = match kept {
            0 => Side::Incumbent,
            1 => Side::Challenger,
            _ => return malformed("conflict: unknown side"),
        };
        let row = RowId { table: head.table, key };
        conflicts.push(Conflict { row, column, kept, lost, incumbent: AuthorId(incumbent as u32) });
    }
    Ok(())
}

fn read_place(input: &mut Input<'_>, table: &Table) -> Result<Option<ColumnId>, Malformed> {
    match input.varint()? {
        0 => Ok(None),
        place if place <= table.columns.len() as u64 => Ok(Some(ColumnId((place - 1) as u16))),
        _ => malformed("conflict: unknown column"),
    }
}
