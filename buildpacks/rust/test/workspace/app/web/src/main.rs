fn main() {
    println!("web {}", greet::WORD);
}
