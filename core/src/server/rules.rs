//! What the app itself decides in the space: the strategy `custom`, and whether a row may be written.
//! It says what is asked and how an answer is taken; the functions are the adapter's, synchronous and pure.
//! Called by `decide` for each transaction, within the event's transaction.

use super::draft::{RowDraft, Write};
use super::drafts::Drafts;
use super::store::{ServerStore, Violation};
use super::values::is_stored_as_it_is;
use crate::catalogue::{Affinity, Column, Table};
use crate::change::Transaction;
use crate::commit::Reason;
use crate::conflict::AuthorName;
use crate::ids::{AuthorId, ColumnId, Incarnation};
use crate::limits::RULE_DETAIL_CHARS;
use crate::value::{Key, Value};
use alloc::{format, string::String};
use core::fmt::Debug;

/// A row as a function of the app sees it.
#[derive(Debug, Clone, Copy)]
pub struct RowView<'a> {
    /// The table.
    pub table: &'a Table,
    /// Its key, in the key's order.
    pub key: &'a Key,
    /// Its other fields, in `Table::fields` order.
    pub values: &'a [Value],
}

/// Two values of a field that met without having seen each other.
#[derive(Debug, Clone, Copy)]
pub struct MergeQuestion<'a> {
    /// The row, merged as far as that went without the app.
    pub row: RowView<'a>,
    /// The field.
    pub column: ColumnId,
    /// What the writer had seen in it, if its device said so.
    pub base: Option<&'a Value>,
    /// What the writer wants.
    pub mine: &'a Value,
    /// What the space has.
    pub theirs: &'a Value,
    /// Who writes.
    pub identity: &'a AuthorName,
}

/// A row that is about to be written.
#[derive(Debug, Clone, Copy)]
pub struct Validation<'a> {
    /// What it becomes.
    pub row: RowView<'a>,
    /// What it was; `None` if it is new.
    pub before: Option<RowView<'a>>,
    /// Who writes.
    pub identity: &'a AuthorName,
}

/// The functions of the app. What they throw refuses the transaction, in these words.
pub trait AppRules: Debug {
    /// Whether rows of this table are to be validated.
    fn validates(&self, table: &str) -> bool;

    /// What a field becomes.
    fn merge(&self, question: &MergeQuestion<'_>) -> Result<Value, String>;

    /// Whether a row may be written.
    fn validate(&self, validation: &Validation<'_>) -> Result<(), String>;
}

/// An app without functions.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoRules;

impl AppRules for NoRules {
    fn validates(&self, _table: &str) -> bool {
        false
    }

    fn merge(&self, _question: &MergeQuestion<'_>) -> Result<Value, String> {
        Err(String::from("the server has no function for it"))
    }

    fn validate(&self, _validation: &Validation<'_>) -> Result<(), String> {
        Ok(())
    }
}

/// A value that the app decides about.
#[derive(Debug, Clone)]
pub struct Ask {
    /// The field.
    pub column: ColumnId,
    /// Its position among the fields.
    pub position: usize,
    /// What the writer wants.
    pub mine: Value,
    /// The write.
    pub write: Write,
}

/// Has the app decide what its functions are asked about.
pub(super) fn merge<S: ServerStore>(
    transaction: &Transaction,
    drafts: &mut Drafts,
    author: AuthorId,
    store: &mut S,
) -> Result<Result<(), Violation>, S::Error> {
    if drafts.iter().all(|draft| draft.asks.is_empty()) {
        return Ok(Ok(()));
    }
    let (catalogue, rules, identity) = (store.catalogue(), store.rules(), identity(author, store)?);
    for draft in drafts.iter_mut() {
        let Some(table) = catalogue.table(draft.row().table) else { continue };
        for ask in core::mem::take(&mut draft.asks) {
            if let Err(violation) = answer(&ask, transaction, draft, table, &identity, rules.as_ref()) {
                return Ok(Err(violation));
            }
        }
    }
    Ok(Ok(()))
}

fn answer(
    ask: &Ask,
    transaction: &Transaction,
    draft: &mut RowDraft,
    table: &Table,
    identity: &AuthorName,
    rules: &dyn AppRules,
) -> Result<(), Violation> {
    // A row that went in the same transaction has nothing to merge into.
    let Some(values) = draft.values() else { return Ok(()) };
    let theirs = values.get(ask.position).cloned().unwrap_or_default();
    let seen = transaction.seen.iter().find(|seen| seen.row == *draft.row() && seen.column == ask.column);
    let row = RowView { table, key: &draft.row().key, values };
    let base = seen.map(|seen| &seen.value);
    let question = MergeQuestion { row, column: ask.column, base, mine: &ask.mine, theirs: &theirs, identity };
    let column = &table.columns[usize::from(ask.column.0)];
    let place = || format!("{}.{}", table.name, column.name);
    let answered = rules.merge(&question).map_err(|what| refused(&place(), &what))?;
    let value = fitting(column, answered).map_err(|what| refused(&place(), &what))?;
    draft.settle(ask, value);
    Ok(())
}

/// The value as the column stores it.
fn fitting(column: &Column, value: Value) -> Result<Value, String> {
    match (column.affinity, value) {
        (_, Value::Null) if column.not_null => {
            Err(String::from("its function answered NULL, which the column refuses"))
        }
        (Affinity::Real, Value::Integer(number)) => Ok(Value::Real(number as f64)),
        (Affinity::Blob, value) | (_, value @ Value::Null) if is_stored_as_it_is(Affinity::Blob, &value) => Ok(value),
        (Affinity::Integer, value @ Value::Integer(_))
        | (Affinity::Real, value @ Value::Real(_))
        | (Affinity::Numeric, value @ (Value::Integer(_) | Value::Real(_)))
        | (Affinity::Text, value @ Value::Text(_))
            if is_stored_as_it_is(column.affinity, &value) =>
        {
            Ok(value)
        }
        _ => Err(String::from("its function answered a value of another type than the column's")),
    }
}

/// Has the app look at every row that the transaction writes. Rows that it deletes are not shown.
pub(super) fn validate<S: ServerStore>(
    drafts: &Drafts,
    author: AuthorId,
    store: &mut S,
) -> Result<Result<(), Violation>, S::Error> {
    let (catalogue, rules) = (store.catalogue(), store.rules());
    let mut known = None;
    for draft in drafts.iter().filter(|draft| draft.is_written()) {
        let table = catalogue.table(draft.row().table).filter(|table| rules.validates(&table.name));
        let (Some(table), Some(values)) = (table, draft.values()) else { continue };
        let identity = match &mut known {
            Some(identity) => identity,
            unknown => unknown.insert(identity(author, store)?),
        };
        let view = |values| RowView { table, key: &draft.row().key, values };
        let validation = Validation { row: view(values), before: draft.before().map(view), identity };
        if let Err(what) = rules.validate(&validation) {
            return Ok(Err(refused(&table.name, &what)));
        }
    }
    Ok(Ok(()))
}

/// The words of an app are bounded: they are kept with the receipt.
fn refused(place: &str, what: &str) -> Violation {
    let what: String = what.chars().take(RULE_DETAIL_CHARS).collect();
    Violation { reason: Reason::Custom, detail: format!("{place}: {what}") }
}

fn identity<S: ServerStore>(author: AuthorId, store: &mut S) -> Result<AuthorName, S::Error> {
    let found = store.author_names(&[author])?.into_iter().next();
    Ok(found.unwrap_or(AuthorName { id: author, incarnation: Incarnation::default(), user: String::new() }))
}
