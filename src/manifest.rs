//! What a golden tree says of itself: `manifest.json`, `SHA256SUMS`, and the list of a render under way.
//!
//! All three are made from [`Entry`] values and written in the order of the paths' bytes, so that they are a
//! function of the artifacts and of nothing else. What is read back is trusted no further than a stranger's
//! file: a path that leaves the tree makes the whole file count as broken.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::Digest as _;
use sha2::digest::common::hazmat::{SerializableState as _, SerializedState};

/// The name of the manifest at the top of a golden tree.
pub const MANIFEST: &str = "manifest.json";
/// The name of the list that `sha256sum -c` reads.
pub const SUMS: &str = "SHA256SUMS";
/// The name of the list of hashes that a render is about to write; there only while one runs or was killed.
pub const PENDING: &str = "manifest.pending.json";
/// The name of the folder in which a render stages its files; there only while one runs or was killed.
pub const STAGING: &str = ".staging";
/// Names at the top of a golden tree that no artifact may have.
pub const RESERVED: [&str; 4] = [MANIFEST, SUMS, PENDING, STAGING];

/// Says why a path cannot be an artifact's: it must be relative, in its simplest form, on one line, and not reserved.
pub fn check_path(path: &Utf8Path) -> Result<(), &'static str> {
    let text = path.as_str();
    if text.is_empty() {
        return Err("it is empty");
    }
    if text.starts_with('/') {
        return Err("it is absolute");
    }
    if text.contains(char::is_control) {
        return Err("it has a control character in it, such as a line break");
    }
    if text.split('/').any(|part| part == "..") {
        return Err("it has `..` in it");
    }
    if text.split('/').any(|part| part.is_empty() || part == ".") {
        return Err("it has an empty part or `.` in it");
    }
    if text.split('/').any(|part| part.eq_ignore_ascii_case(".git")) {
        return Err("a folder `.git` is a repository's own");
    }
    match text.split('/').next() {
        Some(first) if RESERVED.contains(&first) => Err("that name is reserved"),
        _ => Ok(()),
    }
}

/// A SHA-256 (FIPS 180-4); printed and stored as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sha256([u8; 32]);

impl From<[u8; 32]> for Sha256 {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl Sha256 {
    /// Its bytes.
    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut digits = [0; 64];
        for (pair, byte) in digits.chunks_exact_mut(2).zip(self.0) {
            pair.copy_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
        }
        f.write_str(std::str::from_utf8(&digits).unwrap_or_default())
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Sha256 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Sha256 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let broken =
            || de::Error::custom(format!("`{text}` is not a SHA-256 in lower-case hexadecimal digits"));
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Some(byte - b'0'),
            b'a'..=b'f' => Some(byte - b'a' + 10),
            _ => None,
        };
        let bytes: Option<Vec<u8>> = text
            .as_bytes()
            .chunks(2)
            .map(|pair| Some(digit(pair[0])? << 4 | digit(*pair.get(1)?)?))
            .collect();
        bytes.and_then(|bytes| bytes.try_into().ok()).map(Self).ok_or_else(broken)
    }
}

/// A sink that keeps the hash and the number of the bytes written to it, and not the bytes.
#[derive(Clone, Default)]
pub struct Fingerprint {
    hasher: sha2::Sha256,
    bytes: u64,
}

/// A [`Fingerprint`] that can be kept and gone on with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct State {
    hasher: SerializedState<sha2::Sha256>,
    bytes: u64,
}

impl State {
    /// The number of bytes until then.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What [`Self::read`] reads, but for the number of bytes.
    pub(crate) fn written(&self) -> &[u8] {
        &self.hasher
    }

    /// The state that was written behind so many bytes; nothing if it is none.
    pub(crate) fn read(written: &[u8], bytes: u64) -> Option<Self> {
        let hasher: SerializedState<sha2::Sha256> = written.try_into().ok()?;
        sha2::Sha256::deserialize(&hasher).is_ok().then_some(Self { hasher, bytes })
    }
}

impl From<&State> for Fingerprint {
    fn from(State { hasher, bytes }: &State) -> Self {
        // A state is one of a hasher, or was found to be one.
        Self { hasher: sha2::Sha256::deserialize(hasher).unwrap_or_default(), bytes: *bytes }
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fingerprint").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

impl Fingerprint {
    /// Takes some bytes in.
    pub fn update(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
        self.bytes += bytes.len() as u64;
    }

    /// The number of bytes so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What is needed to go on from here.
    pub(crate) fn state(&self) -> State {
        State { hasher: self.hasher.serialize(), bytes: self.bytes }
    }

    /// The hash of all that was written.
    pub fn sha256(self) -> Sha256 {
        Sha256(self.hasher.finalize().into())
    }
}

impl io::Write for Fingerprint {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// One artifact as the manifest lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Its path, relative to the tree.
    #[serde(serialize_with = "shared::serialize", deserialize_with = "shared::path")]
    pub path: Arc<Utf8Path>,
    /// Its permission bits, written as four octal digits.
    #[serde(with = "octal")]
    pub mode: u32,
    /// Its length in bytes.
    pub bytes: u64,
    /// The hash of its bytes.
    pub sha256: Sha256,
    /// The target that makes it; empty for an artifact of the project itself.
    #[serde(with = "shared")]
    pub target: Arc<str>,
    /// The template it is made from.
    #[serde(with = "shared")]
    pub template: Arc<str>,
}

/// Texts that many values have in common.
mod shared {
    use super::{Arc, Deserialize, Deserializer, Serializer, Utf8Path, Utf8PathBuf};

    pub(super) fn serialize<T: AsRef<str> + ?Sized, S: Serializer>(
        text: &Arc<T>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str((**text).as_ref())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<str>, D::Error> {
        String::deserialize(deserializer).map(Into::into)
    }

    pub(super) fn path<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<Utf8Path>, D::Error> {
        Utf8PathBuf::deserialize(deserializer).map(Into::into)
    }
}

mod octal {
    use super::{Deserialize, Deserializer, Serializer, de};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
    pub(super) fn serialize<S: Serializer>(mode: &u32, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{mode:04o}"))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
        let text = String::deserialize(deserializer)?;
        u32::from_str_radix(&text, 8)
            .ok()
            .filter(|mode| format!("{mode:04o}") == text && *mode <= 0o7777)
            .ok_or_else(|| de::Error::custom(format!("`{text}` is not a mode of four octal digits")))
    }
}

/// The artifacts of a golden tree, by path.
#[derive(Debug, Clone, Default)]
pub struct Manifest {
    entries: BTreeSet<ByPath>,
}

/// An entry that is ordered by the bytes of its path.
#[derive(Debug, Clone)]
struct ByPath(Entry);

impl Borrow<str> for ByPath {
    fn borrow(&self) -> &str {
        self.0.path.as_str()
    }
}

impl Ord for ByPath {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.path.as_str().cmp(other.0.path.as_str())
    }
}

impl PartialOrd for ByPath {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for ByPath {
    fn eq(&self, other: &Self) -> bool {
        self.0.path.as_str() == other.0.path.as_str()
    }
}

impl Eq for ByPath {}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document<E> {
    artifacts: Vec<E>,
}

impl FromIterator<Entry> for Manifest {
    fn from_iter<I: IntoIterator<Item = Entry>>(entries: I) -> Self {
        Self { entries: entries.into_iter().map(ByPath).collect() }
    }
}

impl PartialEq for Manifest {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Manifest {}

impl Manifest {
    /// Reads `manifest.json`, or says why it is broken: not JSON, other keys, a path twice or out of the tree.
    pub fn parse(json: &[u8]) -> Result<Self, String> {
        let document: Document<Entry> = serde_json::from_slice(json).map_err(|error| error.to_string())?;
        let mut manifest = Self::default();
        for entry in document.artifacts {
            check_path(&entry.path).map_err(|why| format!("the path `{}`: {why}", entry.path))?;
            if let Some(twice) = manifest.insert(entry) {
                return Err(format!("the path `{}` is listed twice", twice.path));
            }
        }
        Ok(manifest)
    }

    /// The text of `manifest.json`.
    pub fn to_json(&self) -> Vec<u8> {
        pretty(&Document { artifacts: self.iter().collect() })
    }

    /// The text of `SHA256SUMS`, names with a backslash escaped as GNU coreutils does.
    pub fn to_sums(&self) -> Vec<u8> {
        let mut sums = String::with_capacity(self.iter().map(|entry| entry.path.as_str().len() + 68).sum());
        for entry in self.iter() {
            let path = entry.path.as_str();
            let escaped = path.replace('\\', r"\\");
            if escaped != path {
                sums.push('\\');
            }
            // A lone dash is standard input to sha256sum.
            let folder = if path == "-" { "./" } else { "" };
            sums.extend([entry.sha256.to_string().as_str(), "  ", folder, &escaped, "\n"]);
        }
        sums.into_bytes()
    }

    /// Adds an entry and returns the one that had its path.
    pub fn insert(&mut self, entry: Entry) -> Option<Entry> {
        self.entries.replace(ByPath(entry)).map(|ByPath(entry)| entry)
    }

    /// Drops the entry of a path.
    pub fn remove(&mut self, path: &str) -> Option<Entry> {
        self.entries.take(path).map(|ByPath(entry)| entry)
    }

    /// The entry of a path.
    pub fn get(&self, path: &str) -> Option<&Entry> {
        self.entries.get(path).map(|ByPath(entry)| entry)
    }

    /// All entries in the order of their paths' bytes.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Entry> {
        self.entries.iter().map(|ByPath(entry)| entry)
    }
}

/// Hashes, by path, that a file may have because a render was killed: what was there before and what was to come.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Pending {
    /// Sorted, and each once; mostly two.
    hashes: BTreeMap<String, Vec<Sha256>>,
}

impl Pending {
    /// Reads the list; a broken one lists nothing.
    pub fn parse(json: &[u8]) -> Self {
        let mut pending: Self = serde_json::from_slice(json).unwrap_or_default();
        pending.retain(|path| check_path(path.into()).is_ok());
        pending
    }

    /// The text of the list.
    pub fn to_json(&self) -> Vec<u8> {
        pretty(self)
    }

    /// Adds a path, with the hashes it may have.
    pub fn insert(&mut self, path: &str, hashes: impl IntoIterator<Item = Sha256>) {
        let list = self.hashes.entry(path.to_owned()).or_default();
        list.extend(hashes);
        list.sort_unstable();
        list.dedup();
    }

    /// Keeps the paths that `keep` accepts.
    pub fn retain(&mut self, keep: impl Fn(&str) -> bool) {
        self.hashes.retain(|path, _| keep(path));
    }

    /// Whether the list has this hash for this path.
    pub fn allows(&self, path: &str, sha256: Sha256) -> bool {
        self.hashes.get(path).is_some_and(|hashes| hashes.contains(&sha256))
    }

    /// The paths, sorted.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.hashes.keys().map(String::as_str)
    }

    /// Whether it lists nothing.
    pub fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }
}

fn pretty(value: &impl Serialize) -> Vec<u8> {
    // Strings, numbers, lists, and maps with strings for keys: JSON can hold them all, and a vector never refuses.
    let mut json = serde_json::to_vec_pretty(value).unwrap_or_default();
    json.push(b'\n');
    json
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry(path: &str) -> Entry {
        let mut fingerprint = Fingerprint::default();
        fingerprint.update(path.as_bytes());
        Entry {
            path: Utf8Path::new(path).into(),
            mode: 0o644,
            bytes: fingerprint.bytes(),
            sha256: fingerprint.sha256(),
            target: "t".into(),
            template: "x.tera".into(),
        }
    }

    fn manifest(paths: &[&str]) -> Manifest {
        let mut manifest = Manifest::default();
        for path in paths {
            manifest.insert(entry(path));
        }
        manifest
    }

    #[test]
    fn the_manifest_is_pretty_sorted_by_bytes_and_reads_back() {
        let manifest = manifest(&["a/b", "a-b", "B"]);
        let json = String::from_utf8(manifest.to_json()).unwrap();
        assert!(
            json.starts_with(
                "{\n  \"artifacts\": [\n    {\n      \"path\": \"B\",\n      \"mode\": \"0644\",\n      \
                 \"bytes\": 1,\n      \"sha256\": \"df7e70e5021544f4834bbee64a9e3789febc4be81470df629cad6ddb03320a5c\",\n      \
                 \"target\": \"t\",\n      \"template\": \"x.tera\"\n    },\n"
            ),
            "{json}"
        );
        assert!(json.ends_with("]\n}\n"));
        assert!(json.find("a-b").unwrap() < json.find("a/b").unwrap());
        assert_eq!(Manifest::parse(json.as_bytes()).unwrap(), manifest);
    }

    #[test]
    fn a_strangers_manifest_is_broken() {
        let good = String::from_utf8(manifest(&["a"]).to_json()).unwrap();
        for bad in [
            "../a",
            "/a",
            "a/../../b",
            "manifest.json",
            ".staging/x",
            "a//b",
            "./a",
            "",
            "a\\u0000",
            "a\\nb",
            "a\\u0085",
        ] {
            let json = good.replace("\"path\": \"a\"", &format!("\"path\": \"{bad}\""));
            assert!(Manifest::parse(json.as_bytes()).is_err(), "{bad}");
        }
        for (from, to) in
            [("0644", "644"), ("0644", "0999"), ("\"bytes\"", "\"size\""), ("{", "<<<<<<< HEAD\n{")]
        {
            assert!(Manifest::parse(good.replacen(from, to, 1).as_bytes()).is_err(), "{to}");
        }
        let sha256 = entry("a").sha256.to_string();
        for bad in [&sha256[1..], &sha256.to_uppercase(), &format!("{sha256}0"), "é"] {
            assert!(Manifest::parse(good.replace(&sha256, bad).as_bytes()).is_err(), "{bad}");
        }
        let twice =
            good.replace("[\n", "[\n{}, ").replace("{}", &serde_json::to_string(&entry("a")).unwrap());
        assert_eq!(Manifest::parse(twice.as_bytes()).unwrap_err(), "the path `a` is listed twice");
    }

    #[test]
    fn odd_names_are_escaped_in_the_sums() {
        let sums = String::from_utf8(manifest(&["a\\b", " x "]).to_sums()).unwrap();
        let names: Vec<_> =
            sums.lines().map(|line| (line.starts_with('\\'), line.split_once("  ").unwrap().1)).collect();
        assert_eq!(names, [(false, " x "), (true, "a\\\\b")]);
    }

    #[test]
    fn a_pending_list_reads_back_without_paths_that_leave_the_tree() {
        let mut pending = Pending::default();
        pending.insert("a", [entry("a").sha256, entry("b").sha256]);
        assert_eq!(Pending::parse(&pending.to_json()), pending);
        let mut evil = pending.clone();
        evil.insert("../x", [entry("a").sha256]);
        assert_eq!(Pending::parse(&evil.to_json()), pending);
        assert!(Pending::parse(b"{\"a\": [").is_empty());
    }

    proptest! {
        #[test]
        fn anything_is_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Manifest::parse(&bytes);
            let _ = Pending::parse(&bytes);
        }

        #[test]
        fn a_path_that_passes_stays_below(path in "[./a\\\\]{0,8}") {
            if check_path(Utf8Path::new(&path)).is_ok() {
                let parts: Vec<_> = Utf8Path::new(&path).components().map(|part| part.as_str().to_owned()).collect();
                prop_assert_eq!(parts.join("/"), path.clone());
                prop_assert!(!parts.iter().any(|part| part == ".."));
            }
        }
    }
}
