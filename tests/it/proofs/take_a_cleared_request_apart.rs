use gateway::pipeline::forward::Cleared;

fn swap_the_text(mut cleared: Cleared, chat: backends::Chat) -> Cleared {
    cleared.chat = chat;
    cleared
}

fn main() {}
