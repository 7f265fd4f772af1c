//! Lists for people and for programs: aligned columns, or JSON.

use clap::ValueEnum;
use serde::Serialize;

use crate::command_error::CommandError;
use crate::console::Console;

/// How a list is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Lines for people.
    #[default]
    #[value(alias = "text")]
    Stdout,
    /// One JSON value in one line.
    Json,
}

/// Aligns the cells of each column with two spaces between; the last one is not padded.
pub fn columns(rows: &[Vec<String>]) -> String {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..count).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            // Not by `format!`, whose widths end at 65,535: a config var may be longer.
            line.push_str(cell);
            line.extend(std::iter::repeat_n(' ', width.saturating_sub(cell.chars().count()) + 2));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Prints a value as one line of JSON.
pub async fn print_json(console: &Console, value: &impl Serialize) -> Result<(), CommandError> {
    let text = serde_json::to_string(value)
        .map_err(|error| CommandError::internal("The answer cannot be written as JSON", error))?;
    console.line(text).await;
    Ok(())
}

/// Prints texts one a line, or as a JSON array.
pub async fn print_lines(console: &Console, format: Format, lines: &[String]) -> Result<(), CommandError> {
    if format == Format::Json {
        return print_json(console, &lines).await;
    }
    for line in lines {
        console.line(line).await;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_lines_end_without_spaces() {
        let rows = vec![vec!["a".to_owned(), "bb".to_owned()], vec!["ccc".to_owned(), String::new()]];
        assert_eq!(columns(&rows), "a    bb\nccc\n");
    }

    #[test]
    fn a_cell_may_be_as_long_as_a_config_var() {
        let long = "x".repeat(100_000);
        let rows = vec![vec!["A:".to_owned(), long.clone()], vec!["B:".to_owned(), "b".to_owned()]];
        assert_eq!(columns(&rows), format!("A:  {long}\nB:  b\n"));
    }
}
