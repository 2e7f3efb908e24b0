//! A commit as a body: whose it is, its stamp, then outcomes and conflicts in groups.
//! Outcomes come back in the order of the groups: deletes first, then by first mention of their shape; conflicts by table and column.
//! Called by `codec`.

use crate::changeset::{fields, read_stamp, write_stamp};
use crate::envelope::{self, Capture, Content, peek};
use crate::error::malformed;
use crate::group::{self, Context, ReadRow};
use crate::input::Input;
use crate::limits::ROW_CHARGE;
use crate::output::Output;
use crate::shape::{self, Cells, Head, Kind, Row};
use crate::{integers, notes};
use alloc::vec::Vec;
use ebbtide_core::catalogue::{Catalogue, Table};
use ebbtide_core::change::{Base, RowId};
use ebbtide_core::clock::Stamp;
use ebbtide_core::commit::{Commit, Effect, Outcome};
use ebbtide_core::conflict::{AuthorName, Claim, Conflict, QueueChange, Side};
use ebbtide_core::error::Malformed;
use ebbtide_core::ids::{AuthorId, ColumnId, DeviceSeq};

/// Packs a commit.
pub(crate) fn seal(commit: &Commit, catalogue: &Catalogue) -> Vec<u8> {
    assert_eq!(commit.schema, catalogue.version, "a commit is packed with its own catalogue");
    let mut out = Output::default();
    out.varint(commit.device_seq.0);
    out.varint(commit.schema.0);
    out.varint(u64::from(commit.author.0));
    write_stamp(&mut out, commit.stamp);
    let context = context(catalogue);
    shape::group(rows(commit)).iter().for_each(|group| group::write(&mut out, group, context));
    write_conflicts(&mut out, &commit.conflicts, catalogue);
    notes::write_commit(&mut out, commit);
    envelope::close(Content::Commit, Capture::default(), out)
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
    write_claims(out, &group.iter().map(|conflict| &conflict.incumbent).collect::<Vec<_>>());
    write_claims(out, &group.iter().map(|conflict| &conflict.challenger).collect::<Vec<_>>());
}

/// Who and when in columns, then what each wanted.
fn write_claims(out: &mut Output, claims: &[&Claim]) {
    integers::write(out, &claims.iter().map(|claim| i64::from(claim.author.0)).collect::<Vec<_>>());
    integers::write(out, &claims.iter().map(|claim| claim.device_seq.0 as i64).collect::<Vec<_>>());
    integers::write(out, &claims.iter().map(|claim| claim.stamp.0 as i64).collect::<Vec<_>>());
    claims.iter().for_each(|claim| notes::write_claimed(out, &claim.claimed));
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
    let Groups { outcomes, conflicts, authors, queue } = read_groups(input, catalogue)?;
    Ok(Commit { author, device_seq: head.device_seq, schema: head.schema, stamp, outcomes, conflicts, queue, authors })
}

/// What the groups of a commit hold.
#[derive(Default)]
struct Groups {
    outcomes: Vec<Outcome>,
    conflicts: Vec<Conflict>,
    authors: Vec<AuthorName>,
    queue: Vec<QueueChange>,
}

fn read_groups(mut input: Input<'_>, catalogue: &Catalogue) -> Result<Groups, Malformed> {
    let mut groups = Groups::default();
    while !input.is_empty() {
        let head = Head::read(&mut input)?;
        match head.kind {
            Kind::Conflict if notes::is_notes(&head) => {
                if !groups.authors.is_empty() || !groups.queue.is_empty() {
                    return malformed("commit: notes twice");
                }
                (groups.authors, groups.queue) = notes::read_commit(&mut input, catalogue)?;
            }
            Kind::Conflict => read_conflicts(&mut input, &head, catalogue, &mut groups.conflicts)?,
            _ => read_outcomes(&mut input, &head, catalogue, &mut groups.outcomes)?,
        }
    }
    input.finish()?;
    Ok(groups)
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
    let incumbents = read_claims(input, head.rows)?;
    let challengers = read_claims(input, head.rows)?;
    for ((key, kept), (incumbent, challenger)) in
        keys.into_iter().zip(kept).zip(incumbents.into_iter().zip(challengers))
    {
        let kept = match kept {
            0 => Side::Incumbent,
            1 => Side::Challenger,
            _ => return malformed("conflict: unknown side"),
        };
        let row = RowId { table: head.table, key };
        conflicts.push(Conflict { row, column, kept, incumbent, challenger });
    }
    Ok(())
}

fn read_claims(input: &mut Input<'_>, rows: usize) -> Result<Vec<Claim>, Malformed> {
    input.charge(rows, ROW_CHARGE)?;
    let authors = integers::read(input, rows)?;
    let numbers = integers::read(input, rows)?;
    let stamps = integers::read(input, rows)?;
    let whose = authors.into_iter().zip(numbers.into_iter().zip(stamps));
    let claim = |(author, (number, stamp)): (i64, (i64, i64))| {
        let author = u32::try_from(author).or(malformed("conflict: author out of range"))?;
        let (device_seq, stamp) = (DeviceSeq(number as u64), Stamp(stamp as u64));
        Ok(Claim { claimed: notes::read_claimed(input)?, author: AuthorId(author), device_seq, stamp })
    };
    whose.map(claim).collect()
}

fn read_place(input: &mut Input<'_>, table: &Table) -> Result<Option<ColumnId>, Malformed> {
    match input.varint()? {
        0 => Ok(None),
        place if place <= table.columns.len() as u64 => Ok(Some(ColumnId((place - 1) as u16))),
        _ => malformed("conflict: unknown column"),
    }
}
