//! Asking somebody to type the name of what they are about to lose.

use crate::command_error::CommandError;
use crate::commands::Context;

/// Asks for the name of a thing; anything else, the end of the input included, is a no. `instead` is the command that
/// does not ask.
pub async fn confirm(
    context: &mut Context,
    kind: &str,
    name: &str,
    instead: &str,
) -> Result<(), CommandError> {
    let console = context.io.console.clone();
    console.warn("WARNING: Potentially Destructive Action").await;
    console.warn(format!("This command will destroy {kind} {name}.")).await;
    let hint = format!("Type the {kind}'s name, or use {instead}");
    agree(context, &format!("To proceed, type \"{name}\""), name, &hint).await
}

/// Asks for one word; anything else, the end of the input included, is a no.
pub async fn agree(
    context: &mut Context,
    question: &str,
    word: &str,
    hint: &str,
) -> Result<(), CommandError> {
    let console = context.io.console.clone();
    console.warn(question).await;
    console.stdout("> ").await;
    let answer = read_line(context).await;
    console.line("").await;
    if answer.trim() == word {
        return Ok(());
    }
    Err(CommandError::user("Confirmation did not match test. Aborted.").hint(hint))
}

/// One line of the client's input, at most 4 KiB of it.
async fn read_line(context: &mut Context) -> String {
    let mut line = Vec::new();
    while !line.contains(&b'\n') && line.len() < 4096 {
        match context.io.stdin.recv().await {
            Some(bytes) => line.extend_from_slice(&bytes),
            None => break,
        }
    }
    String::from_utf8_lossy(&line).into_owned()
}
