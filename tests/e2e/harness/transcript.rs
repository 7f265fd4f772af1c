//! What a person sees of several commands, one after the other, as one text to compare.

use crate::harness::person::Person;
use crate::harness::process::Output;
use crate::harness::server::Server;

/// Runs command lines over SSH and shows them as a terminal would: see [`show`].
pub fn transcript(server: &Server, person: &Person, lines: &[&str]) -> String {
    lines.iter().map(|line| show(line, &server.ssh(person, line))).collect()
}

/// A command line and what came of it: standard output as it is, standard error behind `2>`, and the exit code
/// unless it is 0.
pub fn show(line: &str, output: &Output) -> String {
    let mut text = format!("$ {line}\n");
    text += &output.stdout;
    if !output.stdout.is_empty() && !output.stdout.ends_with('\n') {
        text += "(no newline)\n";
    }
    text.extend(output.stderr.lines().map(|line| format!("2>{line}\n")));
    if output.code != 0 {
        text += &format!("[exit {}]\n", output.code);
    }
    text
}
