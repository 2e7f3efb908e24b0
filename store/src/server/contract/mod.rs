//! What every back end of the server store must do, as cases that run on any `Sql`.
//! It knows no back end: natively `tests/server_contract.rs` runs it, in a Durable Object the Worker's contract build.
//! A case gets an empty database of its own and panics where it is not kept.

mod collision;
mod constraints;
mod fixture;
mod formers;
mod queue;
mod records;
mod rows;
mod values;

use crate::sql::Sql;

/// A case by its name, which starts with the rule that it checks.
macro_rules! cases {
    ($($module:ident::$name:ident),* $(,)?) => {
        /// The names of all cases.
        pub const NAMES: &[&str] = &[$(stringify!($name)),*];

        /// Runs a case on an empty database. Panics where the contract is not kept, or if there is no such case.
        pub fn run<S: Sql + Clone>(name: &str, sql: S) {
            match name {
                $(stringify!($name) => $module::$name(sql),)*
                other => panic!("no case is called {other}"),
            }
        }
    };
}

cases! {
    values::st44_every_value_comes_back_as_it_went_in,
    values::st44_an_untyped_column_keeps_each_type,
    values::st44_keys_of_every_type_name_their_rows,
    rows::st45_rows_come_in_the_order_asked_for,
    rows::st45_more_rows_than_one_statement_holds,
    rows::st45_an_update_leaves_other_fields_alone,
    rows::st45_a_tombstone_keeps_its_marks,
    rows::st46_a_put_over_a_parent_keeps_its_children,
    rows::st46_a_child_may_come_before_its_parent,
    rows::st46_a_child_that_moves_on_survives_its_parent,
    rows::st46_a_restricted_chain_goes_whichever_way_it_is_listed,
    rows::st47_two_unique_values_change_hands,
    rows::st47_computed_unique_values_change_hands,
    rows::st47_a_deleted_row_frees_its_unique_value,
    rows::st47_a_composite_unique_value_changes_hands,
    collision::st161_a_refused_unique_value_names_who_wanted_it_and_who_has_it,
    formers::st47_a_unique_value_that_others_refer_to_changes_hands,
    formers::st47_who_follows_a_unique_value_is_not_taken_along_by_the_next_one,
    formers::st93_a_former_name_is_found_until_a_row_has_it_or_history_is_pruned,
    constraints::st48_violations_are_told_apart,
    constraints::st48_a_violation_leaves_the_rest_of_the_event_usable,
    constraints::st94_a_table_that_cannot_be_written_is_found,
    constraints::st49_a_reference_to_nothing_is_found,
    constraints::st49_an_event_never_ends_with_a_dangling_reference,
    constraints::st49_an_event_never_ends_with_an_orphan,
    constraints::st49_children_are_found_by_index,
    constraints::st50_a_failed_event_leaves_nothing,
    constraints::st50_a_failed_savepoint_takes_back_only_itself,
    records::st51_an_author_is_remembered,
    records::st52_a_receipt_is_replayed_and_then_forgotten_in_part,
    records::st53_chunks_come_in_any_order,
    records::st53_old_uploads_expire,
    records::st54_the_log_is_read_in_bounded_pages,
    records::st54_a_large_commit_is_kept_in_parts,
    records::st54_a_commit_out_of_order_is_refused,
    records::st54_what_was_taken_back_is_not_remembered,
    records::st55_the_outbox_moves_forward_only,
    records::sv214_the_history_goes_on_where_d1_is_or_where_the_log_begins,
    records::st160_each_reader_of_the_log_has_a_position_of_its_own,
    records::st56_a_ticket_is_good_once,
    records::st58_decided_transactions_are_found_by_the_life_that_captured_them,
    values::st59_a_table_is_read_in_the_order_of_its_keys,
    records::st57_opening_again_finds_everything,
    queue::st62_open_conflicts_are_found_by_name_and_by_row,
    queue::st62_a_conflict_is_replaced_and_dropped_by_its_name,
    queue::st62_a_conflict_follows_a_migration_by_name,
    queue::st63_authors_are_named_by_their_numbers,
}
