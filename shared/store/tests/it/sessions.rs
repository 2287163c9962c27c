use mealticket_store::sessions::Presented;
use mealticket_testing::World;

#[tokio::test]
async fn a_generation_may_be_presented_again_until_its_successor_is() {
    let world = World::new().await;
    let member = world.member();
    let until = world.now().plus_seconds(1_000);
    assert!(world.store().begin_session(&[1; 16], member, until).await.unwrap());
    assert!(world.store().begin_session(&[1; 16], member, until).await.unwrap(), "the proof may be presented again");
    let present = |generation| world.store().present_refresh(&[1; 16], generation, world.now(), until);
    for generation in [0, 0, 1, 1, 2] {
        assert_eq!(present(generation).await.unwrap(), Presented::Accepted { member }, "{generation}");
    }
    assert!(!world.store().begin_session(&[1; 16], member, until).await.unwrap(), "the proof is spent");
    assert_eq!(present(1).await.unwrap(), Presented::Revoked, "an old one came back");
    assert_eq!(present(2).await.unwrap(), Presented::Revoked, "and the family is gone");
}

#[tokio::test]
async fn a_session_ends_by_sign_out_by_time_and_for_strangers() {
    let world = World::new().await;
    let member = world.member();
    let until = world.now().plus_seconds(1_000);
    world.store().begin_session(&[1; 16], member, until).await.unwrap();
    world.store().revoke_session(&[1; 16]).await.unwrap();
    world.store().revoke_session(&[1; 16]).await.unwrap();
    world.store().revoke_session(&[3; 16]).await.unwrap();
    assert_eq!(world.store().present_refresh(&[1; 16], 0, world.now(), until).await.unwrap(), Presented::Revoked);
    assert_eq!(world.store().present_refresh(&[3; 16], 0, world.now(), until).await.unwrap(), Presented::Revoked);
    world.store().begin_session(&[2; 16], member, until).await.unwrap();
    let present = |now| world.store().present_refresh(&[2; 16], 0, now, until);
    assert_eq!(present(until.plus_seconds(-1)).await.unwrap(), Presented::Accepted { member });
    assert_eq!(present(until).await.unwrap(), Presented::Revoked);
}

#[tokio::test]
async fn two_holders_of_one_session_cannot_both_go_on() {
    let world = World::new().await;
    let until = world.now().plus_seconds(1_000);
    world.store().begin_session(&[1; 16], world.member(), until).await.unwrap();
    let present = |generation| world.store().present_refresh(&[1; 16], generation, world.now(), until);
    assert!(matches!(present(0).await.unwrap(), Presented::Accepted { .. }), "the owner");
    assert!(matches!(present(0).await.unwrap(), Presented::Accepted { .. }), "the thief, at the same time");
    assert!(matches!(present(1).await.unwrap(), Presented::Accepted { .. }), "one goes on");
    assert!(matches!(present(2).await.unwrap(), Presented::Accepted { .. }));
    assert_eq!(present(1).await.unwrap(), Presented::Revoked, "the other betrays both");
    assert_eq!(present(3).await.unwrap(), Presented::Revoked);
}
