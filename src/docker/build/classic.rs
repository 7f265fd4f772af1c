//! What the classic builder tells: text for people, line by line.

use crate::docker::build::error::{BuildError, FailedStep};
use crate::docker::build::line::BuildLine;
use crate::docker::build::splitter::LineSplitter;

/// The classic builder's output so far.
#[derive(Debug, Default)]
pub(super) struct ClassicProgress {
    /// The current step's title and whether it was told already: it waits for what the next line says of the cache.
    step: Option<(String, bool)>,
    output: LineSplitter,
}

impl ClassicProgress {
    /// Takes one message. Pulls come as `status` and the `id` of a layer, everything else as `stream`.
    pub(super) fn absorb(
        &mut self,
        stream: Option<String>,
        status: Option<String>,
        id: Option<String>,
    ) -> Vec<BuildLine> {
        let mut lines = Vec::new();
        match (status, id) {
            (Some(status), None) => lines.push(BuildLine::Note(status)),
            (Some(status), Some(id)) if status == "Pull complete" => {
                lines.push(BuildLine::Note(format!("{id}: {status}")));
            }
            _ => {}
        }
        let text = stream.unwrap_or_default();
        if text.starts_with("Step ") {
            lines.extend(self.rest());
            self.output = LineSplitter::default();
            self.step = Some((text.trim_end().to_owned(), false));
        } else if text.trim_end() == " ---> Using cache" {
            self.tell_step(true, &mut lines);
        } else if is_bookkeeping(&text) {
            self.tell_step(false, &mut lines);
        } else {
            let output = self.output.push(text.as_bytes());
            lines.extend(output.into_iter().filter(|line| !line.is_empty()).map(BuildLine::Output));
        }
        lines
    }

    /// What was held back.
    pub(super) fn rest(&mut self) -> Vec<BuildLine> {
        let mut lines = Vec::new();
        self.tell_step(false, &mut lines);
        lines.extend(self.output.rest().map(BuildLine::Output));
        lines
    }

    /// The error that ends the build.
    pub(super) fn failure(self, code: Option<i64>, message: String) -> BuildError {
        let Some((title, _)) = self.step else { return BuildError::Rejected(message) };
        // The builder gives the code of a step's process; 0 is what it gives when there was none.
        let exit_code = code.filter(|code| *code > 0);
        let last_lines = self.output.last_lines();
        BuildError::Step(Box::new(FailedStep { title, exit_code, message, last_lines }))
    }

    fn tell_step(&mut self, cached: bool, lines: &mut Vec<BuildLine>) {
        if let Some((title, told)) = &mut self.step
            && !std::mem::replace(told, true)
        {
            lines.push(BuildLine::Step { title: title.clone(), cached });
        }
    }
}

/// Ids of layers and containers, which tell a person nothing.
fn is_bookkeeping(text: &str) -> bool {
    [" ---> ", "Removing intermediate container ", "Successfully built ", "Successfully tagged "]
        .iter()
        .any(|start| text.starts_with(start))
}
