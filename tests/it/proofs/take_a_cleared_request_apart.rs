use backends::Chat;
use gateway::pipeline::forward::Cleared;

fn swap_the_text(mut cleared: Cleared<Chat>, chat: Chat) -> Cleared<Chat> {
    cleared.question = chat;
    cleared
}

fn main() {}
