fn main() {
    println!("worker {}", greet::WORD);
}
