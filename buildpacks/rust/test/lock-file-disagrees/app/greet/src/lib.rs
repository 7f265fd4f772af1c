pub const WORD: &str = "greetings";
