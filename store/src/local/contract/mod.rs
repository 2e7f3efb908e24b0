//! What a local database must do wherever SQLite keeps its file, as cases that run on any fresh connection.
//! It knows no back end: natively `tests/local_contract.rs` runs it, on OPFS the wasm client's contract build.
//! A case gets an empty database of its own and panics where it is not kept.

mod apart;
mod apply;
mod capture;
mod queue;
mod quiet;
mod records;
mod replay;
mod retry;
mod undo;
mod values;
pub mod words;

use rusqlite::Connection;

/// A case by its name, which starts with the rule that it checks.
macro_rules! cases {
    ($($module:ident::$name:ident),* $(,)?) => {
        /// The names of all cases.
        pub const NAMES: &[&str] = &[$(stringify!($name)),*];

        /// Runs a case on a connection to an empty database, with the pragmas that the adapter sets. Panics where the
        /// contract is not kept, or if there is no such case.
        pub fn run(name: &str, connection: Connection) {
            match name {
                $(stringify!($name) => $module::$name(connection),)*
                other => panic!("no case is called {other}"),
            }
        }
    };
}

cases! {
    values::st09_values_come_back_and_are_logged_as_they_went_in,
    values::st09_applied_values_are_the_values_sent,
    values::st09_what_is_logged_is_what_a_select_answers,
    values::st09_not_a_number_is_null,
    values::st09_keys_of_every_type_name_their_rows,
    capture::st10_insert_update_and_delete_are_logged_with_their_deltas,
    capture::st10_falsy_values_are_values,
    capture::st11_replace_logs_the_evicted_row,
    capture::st11_upsert_logs_what_it_changed,
    capture::st11_delete_without_where_logs_every_row,
    capture::st12_cascades_are_logged,
    capture::st12_a_key_change_is_a_delete_and_an_insert,
    capture::st12_a_natural_rowid_key_is_logged,
    capture::st13_generated_columns_are_left_out_and_reals_stay_reals,
    capture::st13_a_column_added_later_has_its_default,
    capture::st14_triggers_behave_as_in_plain_sqlite_and_their_writes_are_logged,
    undo::st15_a_failing_statement_leaves_no_trace_in_the_log,
    undo::st15_or_fail_keeps_and_logs_what_it_did,
    undo::st15_what_a_failing_or_ignore_keeps_is_logged,
    undo::st15_or_rollback_ends_the_transaction,
    undo::st16_savepoints_take_their_part_of_the_log_along,
    undo::st16_a_rolled_back_transaction_logs_nothing,
    undo::st17_execute_many_is_all_or_nothing,
    undo::st18_a_transaction_over_the_bound_is_refused_at_commit,
    undo::st18_a_row_that_no_space_keeps_is_refused_at_commit,
    undo::st19_text_that_is_not_utf8_is_refused_in_synced_tables,
    undo::st66_a_key_that_equals_another_is_refused,
    apply::st20_applying_writes_rows_and_logs_nothing,
    apply::st21_a_swap_of_unique_values_works_and_a_taken_one_is_an_error,
    apply::st22_triggers_on_apply_run_only_if_they_write_local_tables,
    apply::st22_a_trigger_that_writes_both_kinds_is_refused,
    apply::st23_references_are_checked_at_the_end_of_a_step_and_no_cascade_acts,
    apply::st23_local_tables_follow_synced_rows_that_are_gone,
    quiet::st69_quiet_lasts_until_the_app_runs_something_for_which_it_matters,
    quiet::st69_a_step_that_is_taken_back_ends_the_quiet,
    records::st24_the_log_is_sealed_in_order_and_dropped_with_its_changeset,
    records::st25_changesets_keep_their_progress_and_their_receipt,
    records::st26_the_devices_record_and_clock_survive_reopening_and_a_failed_step_changes_neither,
    records::st27_records_are_kept,
    records::st28_pieces_of_a_commit_are_kept_until_the_last,
    records::st178_accepted_changesets_are_kept_beside_each_other_until_they_are_taken,
    records::st72_a_snapshot_is_kept_in_pieces_and_keys_are_listed_in_order,
    records::st71_a_new_life_inherits_what_waits,
    records::st175_what_is_to_go_apart_and_what_stands_for_others_is_told_in_the_log,
    apart::st73_what_is_written_apart_is_told_from_the_rest,
    apart::st73_a_table_that_joins_brings_its_rows_along,
    apart::st73_joined_rows_do_not_hide_what_the_space_told_of,
    records::st29_what_waits_follows_a_migration,
    queue::st60_the_queue_follows_the_commits_and_is_listed_with_names,
    queue::st60_a_snapshot_replaces_the_queue_and_a_migration_moves_it,
    queue::st61_a_choice_is_a_logged_transaction_that_leaves_with_its_changeset,
    queue::st61_a_choice_without_a_difference_is_logged_and_a_refused_one_leaves_nothing,
    queue::st170_a_choice_between_rows_is_logged_whole_or_leaves_nothing,
    retry::st64_a_refused_transaction_is_committed_again_with_edits,
    retry::st176_what_adds_up_or_merges_is_done_again_and_not_written_again,
    retry::st176_what_is_known_only_as_it_travelled_is_listed_and_done_as_a_text,
    retry::st177_a_changed_key_is_changed_again_and_nothing_falls_with_it,
    retry::st176_what_triggers_did_to_synced_rows_is_not_done_twice_and_what_they_check_is_checked,
    retry::st177_a_row_that_is_gone_is_not_taken_for_the_one_that_has_its_new_key,
    retry::st177_a_key_that_changes_beside_fields_takes_along_what_came_since,
    retry::st177_keys_that_change_more_than_once_follow_an_edit_and_nothing_follows_null,
    retry::st177_a_list_that_was_written_anew_is_written_anew_again,
    retry::st177_what_refers_to_an_edited_row_follows,
    retry::st177_a_refused_transaction_is_committed_again_under_names_that_changed_since,
    replay::st10_replaying_the_log_gives_the_database,
}
