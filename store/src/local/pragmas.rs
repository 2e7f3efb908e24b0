//! Which pragmas an app may issue.
//! An allow-list: a pragma that is not named here could switch off durability, capture or foreign keys.
//! Called by the authorizer.

/// May be read, and asked about a table or index.
const ASKED: [&str; 14] = [
    "table_info",
    "table_xinfo",
    "table_list",
    "index_list",
    "index_info",
    "index_xinfo",
    "foreign_key_list",
    "foreign_key_check",
    "integrity_check",
    "quick_check",
    "optimize",
    "function_list",
    "pragma_list",
    "module_list",
];

/// May be read, not set.
const READ: [&str; 16] = [
    "database_list",
    "collation_list",
    "compile_options",
    "page_count",
    "page_size",
    "freelist_count",
    "data_version",
    "encoding",
    "cache_size",
    "foreign_keys",
    "journal_mode",
    "locking_mode",
    "synchronous",
    "recursive_triggers",
    "schema_version",
    "auto_vacuum",
];

/// May be read and set: they belong to the app, or hold for one transaction.
const SET: [&str; 4] = ["user_version", "application_id", "defer_foreign_keys", "analysis_limit"];

/// Why the pragma is refused.
pub(super) fn objection(name: &str, has_value: bool) -> Option<String> {
    let lower = name.to_ascii_lowercase();
    let named = |list: &[&str]| list.contains(&lower.as_str());
    if named(&ASKED) || named(&SET) || (!has_value && named(&READ)) {
        return None;
    }
    Some(format!("PRAGMA {name} is set by Ebbtide"))
}
