//! A compiled file mapped into memory: the one place with `unsafe`, and its proof.
//!
//! A mapped file is read where it lies in the page cache: it opens in no time and is shared between processes. What it costs is
//! said in [`open`]; this is why it is asked for with `--map` and never done unasked.

use std::fs::File;
use std::io;
use std::path::Path;

use memmap2::Mmap;

/// Maps a file for reading.
///
/// A file that is cut short in place while it is mapped kills the process at the next look behind its new end (SIGBUS). So a
/// compiled file is replaced by renaming another to its name, as `byway compile` does; the mapped one then stays whole until
/// the last look at it.
#[allow(unsafe_code, reason = "mapping a file is the one thing here that the compiler cannot prove")]
pub(crate) fn open(path: &Path) -> io::Result<Mmap> {
    let file = File::open(path)?;
    // SAFETY: the map is read-only and private to this process's address space, so no code of ours writes through it. Someone
    // else who writes to the file in place would change bytes under a shared slice. byway's part of the bargain is to write
    // compiled files beside and rename them (see `commands/compile.rs`), never in place; the person's part is `--map` itself,
    // whose help says so. Readers of a rule set treat its bytes as foreign: every read is checked against the length that was
    // mapped, no byte decides about a pointer, and text is checked for UTF-8 each time it is taken, so that changed bytes can
    // give wrong answers and cannot give undefined ones through our code.
    unsafe { Mmap::map(&file) }
}
