//! Command lines that people bring along from other programs, and what to type here.
//!
//! clap says what it did not understand; here stands what was probably meant: a file without a command, the words of curl or of
//! `nginx -t`, a command that is spelt in another way. Whatever is not known here is left to clap.

use std::ffi::OsString;
use std::path::Path;

use byway_config::own::suggest::nearest;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::commands::COMMANDS;
use crate::exit::Failure;

/// What other programs call a command.
const OTHER_NAMES: &[(&str, &str)] = &[
    ("configtest", "check"),
    ("curl", "explain"),
    ("export", "convert"),
    ("lint", "check"),
    ("run", "serve"),
    ("start", "serve"),
    ("test", "check"),
    ("translate", "convert"),
    ("validate", "check"),
    ("why", "explain"),
];

/// Options with which other programs are told their files.
const FILE_OPTIONS: [&str; 6] = ["-c", "--config", "-f", "--file", "-i", "--input"];
/// curl's options for a method, and for a body.
const METHOD_OPTIONS: [&str; 2] = ["-X", "--request"];
const BODY_OPTIONS: [&str; 6] = ["-d", "--data", "--data-raw", "--data-binary", "--json", "-F"];
/// Those of its options that say how it prints and follows.
const CURL_FLAGS: [&str; 10] = ["-I", "--head", "-i", "--include", "-v", "--verbose", "-s", "-L", "-k", "-sI"];

/// What is to be typed in place of arguments that clap does not take.
pub(crate) fn meant(arguments: &[OsString], error: &clap::Error) -> Option<Failure> {
    let words: Vec<String> = arguments.iter().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    let command = words.first()?.as_str();
    match error.kind() {
        ErrorKind::InvalidSubcommand => Some(of_command(command, &words)),
        ErrorKind::UnknownArgument => {
            let unknown = text(error, ContextKind::InvalidArg)?;
            match command {
                "explain" => of_curl(&unknown, &words),
                _ => of_file_option(&unknown, &words),
            }
        }
        ErrorKind::InvalidValue
            if command == "convert" && text(error, ContextKind::InvalidArg)?.starts_with("--report") =>
        {
            of_report(&text(error, ContextKind::InvalidValue)?, &words)
        }
        ErrorKind::MissingRequiredArgument if command == "explain" => {
            Some(Failure::usage("`byway explain` is told a URL").help("byway explain https://example.com/path -c FILE"))
        }
        ErrorKind::MissingRequiredArgument
            if command == "convert" && !words.iter().any(|word| word.starts_with("--to")) =>
        {
            let help = format!("{} --to nginx, or to `apache`, `htaccess`, `toml`, `csv`", line(&words));
            Some(Failure::usage("`byway convert` is told the format that is wanted").help(help))
        }
        _ => None,
    }
}

/// A file behind `--report`, which takes the word behind it for the form of the report.
fn of_report(word: &str, words: &[String]) -> Option<Failure> {
    let before = words.iter().position(|own| own == "--report")?;
    let mut told = words.to_vec();
    told.insert(before + 1, "text".to_owned());
    let failure = Failure::usage(format!("`--report` is told `text`, `json` or `html`, and `{word}` is a file"));
    Path::new(word).exists().then(|| failure.help(line(&told)))
}

/// Whether a word is a URL and no file.
pub(crate) fn is_url(word: &str) -> bool {
    word.starts_with("http://") || word.starts_with("https://")
}

/// A word in the place of a command.
fn of_command(word: &str, words: &[String]) -> Failure {
    let rest = || words[1..].iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ");
    let instead = |command: &str| format!("byway {command} {}", rest()).trim_end().to_owned();
    let unknown = Failure::usage(format!("`{word}` is no command of byway"));
    let other = OTHER_NAMES.iter().find(|(name, _)| *name == word).map(|(_, command)| *command);
    let misspelt = || nearest(word, COMMANDS.iter().map(|row| row.name));
    if is_url(word) || word.starts_with('/') && !Path::new(word).exists() {
        return unknown.help(format!("what rules say of a URL: byway explain {} -c FILE", quoted(word)));
    }
    if word.contains(['/', '.']) || Path::new(word).exists() {
        let file = quoted(word);
        return Failure::usage(format!("`{word}` is a file, and no command says what to do with it"))
            .help(format!("byway check {file}, byway serve {file}, or byway explain URL -c {file}"));
    }
    match (word, other.or_else(misspelt)) {
        ("help", _) => unknown.help(format!("{} --help", instead("")).replace("  ", " ")),
        ("version", _) => unknown.help("byway --version"),
        (_, Some(command)) => unknown.help(instead(command)),
        (_, None) => unknown.help("`byway --help` names the commands"),
    }
}

/// A file behind an option, where files stand alone.
fn of_file_option(unknown: &str, words: &[String]) -> Option<Failure> {
    let (command, rest) = words.split_first()?;
    let takes_files = ["check", "serve", "convert", "compile", "rules", "replay"].contains(&command.as_str());
    let given = rest.iter().find(|word| *word == unknown || word.starts_with(&format!("{unknown}=")))?;
    if !takes_files || !FILE_OPTIONS.contains(&unknown) {
        return None;
    }
    let kept = rest.iter().filter(|word| *word != given).cloned();
    let file = given.split_once('=').map(|(_, file)| file.to_owned());
    let line = line(&std::iter::once(command.clone()).chain(kept).chain(file).collect::<Vec<_>>());
    Some(Failure::usage(format!("`byway {command}` takes its files without `{unknown}`")).help(line))
}

/// A request in the words of curl.
fn of_curl(unknown: &str, words: &[String]) -> Option<Failure> {
    let known = METHOD_OPTIONS.iter().chain(&BODY_OPTIONS).chain(&CURL_FLAGS);
    if !known.clone().any(|option| *option == unknown) {
        return None;
    }
    let (mut method, mut sends, mut kept) = (None, false, Vec::new());
    let mut rest = words[1..].iter();
    while let Some(word) = rest.next() {
        match word.as_str() {
            word if METHOD_OPTIONS.contains(&word) => method = rest.next().cloned(),
            word if word.starts_with("-X") => method = word.get(2..).map(str::to_owned),
            word if word.starts_with("--request=") => {
                method = word.split_once('=').map(|(_, method)| method.to_owned())
            }
            word if word.starts_with("--data") && word.contains('=') => sends = true,
            // Our own `--json` prints JSON.
            word if BODY_OPTIONS.contains(&word) && word != "--json" => sends = rest.next().is_some() || sends,
            "-I" | "--head" | "-sI" => method = Some("HEAD".to_owned()),
            word if CURL_FLAGS.contains(&word) => {}
            _ => kept.push(word.clone()),
        }
    }
    let method = method.or_else(|| sends.then(|| "POST".to_owned()));
    let line = line(&std::iter::once("explain".to_owned()).chain(method).chain(kept).collect::<Vec<_>>());
    let why = if sends { ": the method stands before the URL, and no rule looks at a body" } else { "" };
    Some(Failure::usage(format!("`{unknown}` is a word of curl{why}")).help(line))
}

fn text(error: &clap::Error, kind: ContextKind) -> Option<String> {
    match error.get(kind)? {
        ContextValue::String(text) => Some(text.split([' ', '=']).next().unwrap_or_default().to_owned()),
        _ => None,
    }
}

/// A command line as a shell takes it.
fn line(words: &[String]) -> String {
    let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
    format!("byway {}", words.join(" "))
}

fn quoted(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:=,@%+".contains(&byte);
    match !word.is_empty() && word.bytes().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}
