//! The names of the language: what an expression may read and which functions it may call.
//!
//! Kept in step with the `cel` crate's standard library and its strings extension; a test calls every one.

/// What an expression may begin with. Which of them exist at a place is for the compiler to say.
pub const ROOTS: [&str; 12] = [
    "inputs", "vars", "secrets", "stages", "item", "index", "matrix", "run", "trigger", "attempt", "self",
    "failure",
];

/// Names of types, as `type(x) == int` uses them.
pub(super) const TYPES: [&str; 10] =
    ["int", "uint", "double", "bool", "string", "bytes", "list", "map", "null_type", "type"];

/// Functions called by name alone: `size(x)`.
pub(super) const GLOBAL_FUNCTIONS: [&str; 13] = [
    "size",
    "int",
    "uint",
    "double",
    "bool",
    "string",
    "bytes",
    "duration",
    "timestamp",
    "type",
    "dyn",
    "matches",
    "has",
];

/// Functions with a prefix that is no value: `optional.of(x)`.
pub(super) const QUALIFIED_FUNCTIONS: [(&str, &str); 4] =
    [("optional", "of"), ("optional", "ofNonZeroValue"), ("optional", "none"), ("strings", "quote")];

/// Functions called on a value: `x.size()`. The last six bind a variable.
pub(super) const MEMBER_FUNCTIONS: [&str; 42] = [
    "size",
    "contains",
    "startsWith",
    "endsWith",
    "matches",
    "charAt",
    "indexOf",
    "lastIndexOf",
    "join",
    "lowerAscii",
    "upperAscii",
    "trim",
    "replace",
    "split",
    "substring",
    "format",
    "reverse",
    "hasValue",
    "value",
    "or",
    "orValue",
    "optMap",
    "optFlatMap",
    "getFullYear",
    "getMonth",
    "getDayOfYear",
    "getDayOfMonth",
    "getDate",
    "getDayOfWeek",
    "getHours",
    "getMinutes",
    "getSeconds",
    "getMilliseconds",
    "exists",
    "all",
    "exists_one",
    "existsOne",
    "map",
    "filter",
    "of",
    "none",
    "quote",
];
