//! What a terminal's line discipline does, for a client whose terminal is in raw mode (`ssh -t`).
//!
//! OpenSSH leaves all of it to the server as soon as a terminal was asked for: echo, line editing, Ctrl-C, and the
//! carriage return before each newline. A command with a container's terminal at its other end needs none of it.

use bytes::{BufMut, Bytes, BytesMut};

/// A line longer than this goes to the command in pieces (as Linux's `N_TTY_BUF_SIZE`).
const LONGEST_LINE: usize = 4096;
const CTRL_C: u8 = 0x03;
const CTRL_D: u8 = 0x04;
const BACKSPACE: u8 = 0x08;
const CTRL_U: u8 = 0x15;
const CTRL_BACKSLASH: u8 = 0x1c;
const DELETE: u8 = 0x7f;

/// What a key press means to the command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A finished line, or a part of a very long one.
    Line(Bytes),
    /// The end of the input: Ctrl-D at the start of a line.
    End,
    /// A signal's name, without `SIG`.
    Signal(&'static str),
}

/// The keys typed since the last line was finished.
#[derive(Debug, Default)]
pub struct Keyboard {
    line: BytesMut,
}

impl Keyboard {
    /// Takes keys; returns what they mean to the command, and what to echo.
    pub fn press(&mut self, keys: &[u8]) -> (Vec<Input>, Bytes) {
        let mut inputs = Vec::new();
        let mut echo = BytesMut::new();
        for key in keys {
            self.press_one(*key, &mut inputs, &mut echo);
        }
        (inputs, echo.freeze())
    }

    /// What was typed and not finished, when the terminal changes hands.
    pub fn unfinished(&mut self) -> Bytes {
        self.line.split().freeze()
    }

    fn press_one(&mut self, key: u8, inputs: &mut Vec<Input>, echo: &mut BytesMut) {
        match key {
            CTRL_C => {
                self.line.clear();
                echo.put_slice(b"^C\r\n");
                inputs.push(Input::Signal("INT"));
            }
            CTRL_BACKSLASH => {
                self.line.clear();
                echo.put_slice(b"^\\\r\n");
                inputs.push(Input::Signal("QUIT"));
            }
            CTRL_D if self.line.is_empty() => inputs.push(Input::End),
            CTRL_D => inputs.push(Input::Line(self.line.split().freeze())),
            DELETE | BACKSPACE => self.erase(echo),
            CTRL_U => {
                while !self.line.is_empty() {
                    self.erase(echo);
                }
            }
            b'\r' | b'\n' => {
                self.line.put_u8(b'\n');
                echo.put_slice(b"\r\n");
                inputs.push(Input::Line(self.line.split().freeze()));
            }
            _ => {
                self.line.put_u8(key);
                // Control characters would move the cursor; escape sequences of arrow keys end up here too.
                if key >= b' ' || key == b'\t' {
                    echo.put_u8(key);
                }
                if self.line.len() >= LONGEST_LINE {
                    inputs.push(Input::Line(self.line.split().freeze()));
                }
            }
        }
    }

    /// Takes one character back, which may be several bytes of UTF-8.
    fn erase(&mut self, echo: &mut BytesMut) {
        while let Some(byte) = self.line.last().copied() {
            self.line.truncate(self.line.len().saturating_sub(1));
            let continues_a_character = byte & 0xc0 == 0x80;
            if !continues_a_character {
                if byte >= b' ' {
                    echo.put_slice(b"\x08 \x08");
                }
                return;
            }
        }
    }
}

/// Puts a carriage return before each newline that has none, for a terminal in raw mode.
pub fn with_carriage_returns(text: &Bytes) -> Bytes {
    if !text.contains(&b'\n') {
        return text.clone();
    }
    let mut translated = BytesMut::with_capacity(text.len() + text.len() / 16 + 2);
    let mut previous = 0;
    for byte in text {
        if *byte == b'\n' && previous != b'\r' {
            translated.put_u8(b'\r');
        }
        translated.put_u8(*byte);
        previous = *byte;
    }
    translated.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &'static str) -> Input {
        Input::Line(Bytes::from_static(text.as_bytes()))
    }

    #[test]
    fn a_line_is_edited_before_the_command_sees_it() {
        let mut keyboard = Keyboard::default();
        let (inputs, echo) = keyboard.press(b"blok\x7fg\r");
        assert_eq!(inputs, [line("blog\n")]);
        assert_eq!(&echo[..], b"blok\x08 \x08g\r\n");
        let (inputs, _) = keyboard.press("nope\x15gr\u{fc}\x7fu\r".as_bytes());
        assert_eq!(inputs, [line("gru\n")]);
    }

    #[test]
    fn control_keys_are_signals_and_the_end_of_input() {
        let mut keyboard = Keyboard::default();
        assert_eq!(keyboard.press(b"ab\x03").0, [Input::Signal("INT")]);
        assert_eq!(keyboard.press(b"\x1c").0, [Input::Signal("QUIT")]);
        assert_eq!(keyboard.press(b"x\x04").0, [line("x")]);
        assert_eq!(keyboard.press(b"\x04").0, [Input::End]);
    }

    #[test]
    fn a_newline_gets_one_carriage_return() {
        assert_eq!(with_carriage_returns(&Bytes::from_static(b"a\nb\r\n\n")), &b"a\r\nb\r\n\r\n"[..]);
        assert_eq!(with_carriage_returns(&Bytes::from_static(b"plain")), &b"plain"[..]);
    }
}
