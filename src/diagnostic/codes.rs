//! The catalogue of diagnostic codes; `docs/diagnostics.md` is made from it.

/// A stable identifier with the sentence that documents it.
#[derive(Debug, PartialEq, Eq)]
pub struct Code {
    /// `stage::what`, as users see it.
    pub id: &'static str,
    /// One sentence: what it means and what to do.
    pub about: &'static str,
}

macro_rules! codes {
    ($($(#[$meta:meta])* $name:ident = $id:literal, $about:literal;)*) => {
        /// One constant for each code.
        #[allow(missing_docs)]
        pub mod code {
            use super::Code;
            $(pub static $name: Code = Code { id: $id, about: $about };)*
        }

        /// All codes, in the order of the pipeline.
        pub static CODES: &[&Code] = &[$(&code::$name),*];
    };
}

codes! {
    SOURCE_READ = "source::read", "A file cannot be read: it is missing, a folder, a device or a pipe, or not permitted, or a link leads out of the project or into the golden folder.";
    SOURCE_UTF8 = "source::utf8", "A file is not UTF-8; convert it, for example with iconv.";
    SOURCE_CONFLICT = "source::conflict", "A file has the marks of an unresolved merge in it; resolve it.";
    SOURCE_CHANGED = "source::changed", "An input changed while it was being compiled; run again.";
    SOURCE_GIT = "source::git", "There is no git repository, or git cannot be run or gives no answer.";
    SOURCE_REVISION = "source::revision", "A git revision does not exist, or the project cannot be compiled as it stands there.";

    PROJECT_MISSING = "project::missing", "There is no confwright.toml in this folder or above it.";
    PROJECT_SYNTAX = "project::syntax", "A TOML file is not well-formed.";
    PROJECT_UNKNOWN_KEY = "project::unknown-key", "A TOML file has a key that does not exist.";
    PROJECT_VALUE = "project::value", "A TOML key has a value of the wrong kind, or a key that must be there is missing.";
    PROJECT_UNUSED = "project::unused-value", "Nothing uses a value of the project; its name may be misspelt.";
    PROJECT_NAME = "project::name", "A name is not allowed, is reserved, or is used twice.";
    PROJECT_UNKNOWN_NAME = "project::unknown-name", "A table, target, environment or stage is named that does not exist.";

    TABLE_SYNTAX = "table::syntax", "A table is not well-formed in its format.";
    TABLE_HEADER = "table::header", "A header is missing, empty, doubled or not a column name.";
    TABLE_RAGGED = "table::ragged", "A row has more or fewer cells than the header.";
    TABLE_COLUMN = "table::column", "A column is missing, or is there but not declared.";
    TABLE_TYPE = "table::type", "A cell does not have its column's type.";
    TABLE_EMPTY = "table::empty", "A cell is empty although its column has neither `default` nor `optional`.";
    TABLE_CONSTRAINT = "table::constraint", "A cell breaks a constraint of its column: min, max, pattern, within, values.";
    TABLE_UNIQUE = "table::unique", "Two rows have the same key, or the same value in a `unique` column.";
    TABLE_UNUSED = "table::unused-column", "Nothing uses a declared column: it reaches no artifact.";
    TABLE_UNUSED_ROW = "table::unused-row", "A row reaches no artifact: nothing is printed for it, and no row refers to it.";
    TABLE_REF = "table::ref", "A cell refers to a row that does not exist.";
    TABLE_CYCLE = "table::cycle", "Rows refer to each other in a circle.";
    TABLE_DEPTH = "table::depth", "A chain of references from row to row is too long.";
    TABLE_CERT = "table::cert", "A certificate file that a row names is not a certificate chain.";
    TABLE_UNCHECKED = "table::unchecked", "The certificates of a column are not checked: it names no folder with the public ones.";

    TARGET_MISSING = "target::missing", "A target has no folder with a target.toml under templates/.";
    TARGET_REQUIRES = "target::requires", "The project lacks a table, a column or a value that a target requires, or its type does not fit.";

    TEMPLATE_SYNTAX = "template::syntax", "A template is not well-formed.";
    TEMPLATE_MISSING = "template::missing", "A template is extended, included or named that does not exist.";
    TEMPLATE_CYCLE = "template::cycle", "Templates include or extend each other in a circle, or components call each other without end.";
    TEMPLATE_UNKNOWN_VARIABLE = "template::unknown-variable", "A template uses a name that is not defined at that place.";
    TEMPLATE_UNKNOWN_COLUMN = "template::unknown-column", "A template uses a column that its table does not have.";
    TEMPLATE_UNKNOWN_VALUE = "template::unknown-value", "A template uses a value that the project does not have.";
    TEMPLATE_UNKNOWN_FILTER = "template::unknown-filter", "A template uses a filter that does not exist.";
    TEMPLATE_UNKNOWN_TEST = "template::unknown-test", "A template uses a test that does not exist.";
    TEMPLATE_UNKNOWN_FUNCTION = "template::unknown-function", "A template calls a function that does not exist.";
    TEMPLATE_COMPONENT = "template::component", "A component is unknown, defined twice, or called with wrong arguments.";
    TEMPLATE_ARGUMENT = "template::argument", "A filter, test or function is called with a wrong, missing or unknown argument.";
    TEMPLATE_TYPE = "template::type", "An operation does not fit the types it is used on.";
    TEMPLATE_OPTIONAL = "template::optional", "A value that may be absent is used without a guard.";
    TEMPLATE_PRINT = "template::print", "A list, a row or a map is printed without a filter that makes text of it.";
    TEMPLATE_REFUSED = "template::refused", "A construct of Tera is not available here, because its result would not be certain.";
    TEMPLATE_RAW = "template::raw", "A template prints a value with `| raw`, so its format does not protect it.";
    TEMPLATE_RENDER = "template::render", "A template failed while it was rendered.";

    FORMAT_VALUE = "format::value", "A value would change the structure of the file it is printed into.";
    FORMAT_AMBIGUOUS = "format::ambiguous", "A value is printed where the format does not say how to quote it.";
    FORMAT_STRUCTURE = "format::structure", "A rendered artifact is not well-formed in its format.";

    ZONE_SERIAL = "zone::serial", "The records of a zone are not those that are committed, and its serial has not been raised; `render --bump` does that.";
    ZONE_UNCHECKED = "zone::unchecked", "Whether zones have changed under their serials is not known, because the clone has no earlier commits. A warning.";
    ZONE_BUMP = "zone::bump", "`render --bump` cannot raise a serial, because it is not written as such in a table or a value.";

    LINT_SYNTAX = "lint::syntax", "A file that is linted is not well-formed.";
    LINT_FOLDER = "lint::folder", "There is no configuration in the folder that is to be linted.";

    NATIVE_FAILED = "native::failed", "A native check found something wrong with what was rendered.";
    NATIVE_LIMIT = "native::limit", "A native check took too long, or printed too much.";
    NATIVE_SKIPPED = "native::skipped", "A native check was not run: its program is missing, or cannot run here.";
    NATIVE_NETWORK = "native::network", "Native checks were run with access to the network: this machine gives no namespaces to cut them off.";
    NATIVE_RUN = "native::run", "A native check could not be run: there is no room for its copy of what was rendered, or it left what cannot be removed.";
    NATIVE_UNTRUSTED = "native::untrusted", "A command of the project would be run that nobody has said may run; read it, then run `confwright trust`.";
    NATIVE_TRUST = "native::trust", "The record of what is trusted has no place, or cannot be read or written.";

    RULE_FAILED = "rule::failed", "A rule of the project does not hold.";
    RULE_EXPRESSION = "rule::expression", "A rule's or a column's expression is not well-formed or not of the right type.";
    ALLOW_EXPIRED = "allow::expired", "An exception has passed its `until` date.";
    ALLOW_UNUSED = "allow::unused", "An exception applies to nothing.";

    PLAN_PATH = "plan::path", "An artifact's path is empty, absolute, leaves the golden tree, or is reserved.";
    PLAN_SKIPPED = "plan::skipped", "An artifact lies in a folder whose reader skips files of its name.";
    PLAN_COLLISION = "plan::collision", "Two artifacts have the same path, or one is a folder of the other.";

    GOLDEN_STALE = "golden::stale", "The golden tree is not what the sources give; run `confwright render`.";
    GOLDEN_EDITED = "golden::edited", "A golden file was edited by hand; move the edit into a template or table.";
    GOLDEN_UNKNOWN = "golden::unknown", "A file in the golden tree is no artifact.";
    GOLDEN_MANIFEST = "golden::manifest", "The manifest is missing or broken.";
    GOLDEN_LINK = "golden::link", "A symbolic link stands where the golden tree needs a file or folder.";
    GOLDEN_DELETES = "golden::deletes", "A render would delete more than half of a golden tree of ten or more artifacts.";
    GOLDEN_LOCKED = "golden::locked", "Another render is writing the golden tree.";
    GOLDEN_WRITE = "golden::write", "The golden tree cannot be written.";
    GOLDEN_INTERRUPTED = "golden::interrupted", "The render was interrupted; the golden tree is as it was.";

    MERGE_CONFLICT = "merge::conflict", "A golden file cannot be merged; merge the sources, and render.";
    MERGE_EDITED = "merge::edited", "A golden file that is to be merged was edited by hand; move the edit into a template or table.";

    DETERMINISM = "check::nondeterministic", "Two compiles of the same inputs differ.";
    CANARY = "check::canary", "Something of the process environment reached an artifact.";

    CACHE_DAMAGED = "cache::damaged", "What a run kept for the next one is damaged, and everything was compiled; the next clean run keeps it anew.";

    NEW_EXISTS = "new::exists", "The folder for a new project is not empty.";
    NEW_CLASH = "new::clash", "The targets that a new project begins with do not mean the same by a value, a table or a file.";
    NEW_WRITE = "new::write", "The folder for a new project cannot be written.";
    USAGE = "cli::usage", "The command line does not fit the project.";
}
