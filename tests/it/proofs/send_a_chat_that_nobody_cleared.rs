use gateway::deadline::Deadline;
use gateway::pipeline::forward;

async fn skip_every_check(chat: backends::Chat, deadline: Deadline) {
    let _ = forward::send(chat, deadline).await;
}

fn main() {}
