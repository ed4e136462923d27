//! The files of a host, for configurations that no project has made.

use std::borrow::Cow;
use std::io;
use std::time::UNIX_EPOCH;

use camino::{Utf8Path, Utf8PathBuf};

use crate::lint::{Files, Found};

/// A file, or the files in a folder and below it, each with its bytes; in the order of their paths.
pub fn files(path: &Utf8Path) -> Vec<(Utf8PathBuf, io::Result<Vec<u8>>)> {
    let entries = walkdir::WalkDir::new(path).follow_links(true).sort_by_file_name().into_iter();
    let files = entries.filter_map(Result::ok).filter(|entry| entry.file_type().is_file());
    let paths = files.filter_map(|entry| Utf8PathBuf::from_path_buf(entry.into_path()).ok());
    #[expect(clippy::disallowed_methods, reason = "this is the place that reads")]
    paths.map(|path| (path.clone(), std::fs::read(path))).collect()
}

/// A folder with a configuration, and the files of the host that it is for.
#[derive(Debug, Clone)]
pub struct Host {
    folder: Utf8PathBuf,
    /// The folder as links lead to it.
    real: Utf8PathBuf,
    /// Where the host's files lie, if the folder lies among them: `image/` of `image/etc/postfix`.
    root: Option<Utf8PathBuf>,
}

impl Host {
    /// The files for the configuration in a folder.
    pub fn new(folder: &Utf8Path) -> io::Result<Self> {
        let real = folder.canonicalize_utf8()?;
        let etc = real.parent().filter(|parent| parent.file_name() == Some("etc"));
        let root = etc.and_then(Utf8Path::parent).map(Utf8Path::to_owned);
        Ok(Self { folder: folder.to_owned(), real, root })
    }

    /// Where a file lies on this machine.
    pub fn path(&self, path: &Utf8Path) -> Utf8PathBuf {
        if path.is_relative() {
            return self.folder.join(path);
        }
        let own = [&self.folder, &self.real].into_iter().find_map(|folder| path.strip_prefix(folder).ok());
        match (own, &self.root) {
            (Some(own), _) => self.folder.join(own),
            (None, Some(root)) => root.join(path.strip_prefix("/").unwrap_or(path)),
            (None, None) => path.to_owned(),
        }
    }

    /// The folders below one, for configurations of several instances.
    #[expect(clippy::disallowed_methods, reason = "this is the place that reads")]
    pub fn folders(folder: &Utf8Path) -> Vec<Utf8PathBuf> {
        let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
        let paths = entries.filter_map(|entry| Utf8PathBuf::from_path_buf(entry.path()).ok());
        let mut list: Vec<Utf8PathBuf> = paths.filter(|path| path.is_dir()).collect();
        list.sort();
        list
    }
}

impl Files for Host {
    #[expect(clippy::disallowed_methods, reason = "this is the place that reads")]
    fn find(&self, path: &Utf8Path) -> Found<'_> {
        let path = self.path(path);
        // A device or a pipe may have no end.
        let read = std::fs::metadata(&path).and_then(|about| {
            if about.is_file() {
                std::fs::read(&path)
            } else {
                Err(io::Error::other("it is no regular file"))
            }
        });
        match read {
            Ok(bytes) => Found::File(Cow::Owned(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Found::Absent,
            Err(_) => Found::Unknown,
        }
    }

    fn modified(&self, path: &Utf8Path) -> Option<i64> {
        let time = std::fs::metadata(self.path(path)).ok()?.modified().ok()?;
        i64::try_from(time.duration_since(UNIX_EPOCH).ok()?.as_nanos()).ok()
    }

    fn is_host(&self) -> bool {
        self.root.is_some()
    }

    #[expect(clippy::disallowed_methods, reason = "this is the place that reads")]
    fn beside(&self, path: &Utf8Path) -> Vec<String> {
        let path = self.path(path);
        let entries = path.parent().and_then(|folder| std::fs::read_dir(folder).ok());
        let names =
            entries.into_iter().flatten().filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }

    fn folder(&self) -> &str {
        self.real.file_name().unwrap_or_default()
    }
}
