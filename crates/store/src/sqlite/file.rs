//! The file itself: who may read it, and who has it open.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Records may hold keys and other secrets.
const OWNER_ONLY: u32 = 0o600;

/// Why a file cannot be opened.
#[derive(Debug, thiserror::Error)]
pub(super) enum FileError {
    #[error("{} is in use by another process{}", path.display(), by.as_ref().map(|pid| format!(" ({pid})")).unwrap_or_default())]
    InUse { path: PathBuf, by: Option<String> },
    #[error("{} is read-only for this user, and so no store; give it the right to write", path.display())]
    ReadOnly {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("the folder {} is read-only for this user, and the store needs files of its own in it", path.display())]
    ReadOnlyFolder {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("cannot open {}", path.display())]
    Io {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
}

/// Proof that no other process, and nobody else in this one, has the file open. The kernel takes it back when the
/// process ends in whatever way.
#[derive(Debug)]
pub(super) struct Claim {
    /// The file, without symbolic links.
    pub(super) path: PathBuf,
    lock: File,
}

impl Drop for Claim {
    fn drop(&mut self) {
        // Closing it is not enough: a process that is being started at this moment has a copy until it is another
        // program, and the lock would last as long.
        if let Err(error) = self.lock.unlock() {
            tracing::warn!(path = %self.path.display(), %error, "The store's file was not unlocked");
        }
    }
}

/// Creates the file when there is none, and claims it.
pub(super) fn claim(path: &Path) -> Result<Claim, FileError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |cause| refusal(path, cause)
    };
    create(path).map_err(failed(path))?;
    let path = path.canonicalize().map_err(failed(path))?;
    let lock_path = lock_path(&path);
    let mut lock = read_write(&lock_path).map_err(failed(&lock_path))?;
    try_write_next_to(&path)?;
    match lock.try_lock() {
        Ok(()) => {
            // Only for the message to whoever comes next, so it is no reason to fail.
            drop(lock.set_len(0).and_then(|()| write!(lock, "{}", std::process::id())));
            Ok(Claim { path, lock })
        }
        Err(TryLockError::WouldBlock) => Err(FileError::InUse { path, by: read_pid(&lock) }),
        Err(TryLockError::Error(cause)) => Err(FileError::Io { path: lock_path, cause }),
    }
}

/// What stands against opening `path` for writing.
fn refusal(path: PathBuf, cause: io::Error) -> FileError {
    let is_denied = matches!(cause.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem);
    match folder(&path) {
        _ if !is_denied => FileError::Io { path, cause },
        _ if path.exists() => FileError::ReadOnly { path, cause },
        folder => FileError::ReadOnlyFolder { path: folder.to_owned(), cause },
    }
}

/// The log of SQLite comes and goes next to its file; without this, that would fail with the first write.
fn try_write_next_to(path: &Path) -> Result<(), FileError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".try");
    let probe = Path::new(&name);
    let written = read_write(probe).and_then(|_| std::fs::remove_file(probe));
    written.map_err(|cause| refusal(probe.to_owned(), cause))
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn create(path: &Path) -> io::Result<()> {
    let existed = path.exists();
    read_write(path)?;
    if !existed {
        // SQLite takes care of the files that it creates, but this one it finds.
        File::open(folder(path))?.sync_all()?;
    }
    Ok(())
}

fn read_write(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(OWNER_ONLY).open(path)
}

fn lock_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    PathBuf::from(name)
}

fn read_pid(lock: &File) -> Option<String> {
    let mut text = String::new();
    lock.take(20).read_to_string(&mut text).ok()?;
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claim_ends_even_if_somebody_has_a_copy_of_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let first = claim(&path).unwrap();
        let copy = first.lock.try_clone().unwrap();
        assert!(matches!(claim(&path), Err(FileError::InUse { .. })));
        drop(first);
        claim(&path).unwrap();
        drop(copy);
    }
}
