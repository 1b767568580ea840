//! The laws of lists.

use serde_json::{Value, json};

use crate::support::{Sandbox, id, ids, start};

async fn twenty_five(sandbox: &Sandbox) -> Vec<String> {
    let mut made = Vec::new();
    for number in 0..25 {
        made.push(
            sandbox
                .customer(&format!("email=m{}@example.com", number % 5))
                .await,
        );
        sandbox.advance(10).await;
    }
    made.reverse();
    made
}

async fn walk(sandbox: &Sandbox, path: &str) -> Vec<String> {
    let (mut all, mut after) = (Vec::new(), String::new());
    loop {
        let page = sandbox.get(&format!("{path}{after}")).await.ok();
        let page_ids = ids(&page);
        after = format!(
            "&starting_after={}",
            page_ids.last().map_or("", String::as_str)
        );
        all.extend(page_ids);
        if page["has_more"] == json!(false) {
            return all;
        }
    }
}

#[tokio::test]
async fn pages_of_any_size_add_up_to_the_whole_newest_first() {
    let sandbox = start().await;
    let all = twenty_five(&sandbox).await;
    for limit in [1, 2, 7, 24, 25, 26, 100] {
        assert_eq!(
            walk(&sandbox, &format!("/v1/customers?limit={limit}")).await,
            all,
            "{limit}"
        );
    }
    let first = sandbox.get("/v1/customers").await.ok();
    assert_eq!(
        (ids(&first), &first["has_more"]),
        (all[..10].to_vec(), &json!(true))
    );
    assert_eq!(
        (&first["object"], &first["url"]),
        (&json!("list"), &json!("/v1/customers"))
    );
    sandbox.stop().await;
}

#[tokio::test]
async fn ending_before_goes_the_other_way() {
    let sandbox = start().await;
    let all = twenty_five(&sandbox).await;
    let page = |at: usize| format!("/v1/customers?limit=3&ending_before={}", all[at]);
    let middle = sandbox.get(&page(10)).await.ok();
    assert_eq!(
        (ids(&middle), &middle["has_more"]),
        (all[7..10].to_vec(), &json!(true))
    );
    let top = sandbox.get(&page(2)).await.ok();
    assert_eq!(
        (ids(&top), &top["has_more"]),
        (all[..2].to_vec(), &json!(false))
    );
    sandbox.stop().await;
}

#[tokio::test]
async fn filters_narrow_and_pages_of_them_still_add_up() {
    let sandbox = start().await;
    let all = twenty_five(&sandbox).await;
    let wanted: Vec<String> = all.iter().skip(1).step_by(5).cloned().collect();
    assert_eq!(
        walk(&sandbox, "/v1/customers?limit=2&email=m3%40example.com").await,
        wanted
    );
    let created = |at: usize| 1_790_812_800 + 10 * at;
    let of = |from: usize, to: usize| all[24 - to..=24 - from].to_vec();
    for (filter, expected) in [
        (
            format!("created[gte]={}&created[lt]={}", created(5), created(8)),
            of(5, 7),
        ),
        (
            format!("created[gt]={}&created[lte]={}", created(5), created(8)),
            of(6, 8),
        ),
        (format!("created={}", created(5)), of(5, 5)),
    ] {
        assert_eq!(
            ids(&sandbox.get(&format!("/v1/customers?{filter}")).await.ok()),
            expected,
            "{filter}"
        );
    }
    assert_eq!(
        ids(&sandbox
            .get("/v1/customers?email=nobody%40example.com")
            .await
            .ok()),
        Vec::<String>::new()
    );
    sandbox.stop().await;
}

#[tokio::test]
async fn a_changed_or_deleted_object_is_found_by_what_it_is_now() {
    let sandbox = start().await;
    let first = sandbox.customer("email=old@example.com").await;
    let second = sandbox.customer("email=old@example.com").await;
    sandbox
        .post(&format!("/v1/customers/{first}"), "email=new@example.com")
        .await
        .ok();
    let by = |email: &'static str| format!("/v1/customers?email={email}%40example.com");
    assert_eq!(
        ids(&sandbox.get(&by("old")).await.ok())[..],
        *std::slice::from_ref(&second)
    );
    assert_eq!(
        ids(&sandbox.get(&by("new")).await.ok())[..],
        *std::slice::from_ref(&first)
    );
    sandbox.delete(&format!("/v1/customers/{first}")).await.ok();
    assert_eq!(ids(&sandbox.get("/v1/customers").await.ok()), [second]);
    sandbox.stop().await;
}

#[tokio::test]
async fn events_are_found_by_type_types_and_wildcard() {
    let sandbox = start().await;
    let price = sandbox.price(500, "month").await;
    let customer = sandbox.customer("").await;
    sandbox.subscribe(&customer, &price, "").await;
    let types = |list: Value| -> Vec<String> {
        let data = list["data"].as_array().unwrap();
        data.iter()
            .map(|event| event["type"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(
        types(sandbox.get("/v1/events?type=product.created").await.ok()),
        ["product.created"]
    );
    assert_eq!(
        types(
            sandbox
                .get("/v1/events?types[]=price.created&types[]=customer.created")
                .await
                .ok()
        ),
        ["customer.created", "price.created"]
    );
    let all = types(
        sandbox
            .get("/v1/events?type=customer.subscription.*")
            .await
            .ok(),
    );
    assert!(
        all.len() >= 2
            && all
                .iter()
                .all(|kind| kind.starts_with("customer.subscription."))
    );
    let newest = sandbox.get("/v1/events?limit=1").await.ok();
    let event = id(&newest["data"][0]);
    assert_eq!(
        sandbox.get(&format!("/v1/events/{event}")).await.ok(),
        newest["data"][0]
    );
    sandbox.stop().await;
}

#[tokio::test]
async fn wrong_list_parameters_are_refused() {
    let sandbox = start().await;
    let customer = sandbox.customer("").await;
    for (query, code, param) in [
        ("limit=0".to_owned(), "parameter_invalid_integer", "limit"),
        ("limit=101".to_owned(), "parameter_invalid_integer", "limit"),
        ("limit=x".to_owned(), "parameter_invalid_integer", "limit"),
        (
            "starting_after=cus_nobody".to_owned(),
            "resource_missing",
            "starting_after",
        ),
        (
            format!("starting_after={customer}&ending_before={customer}"),
            "",
            "ending_before",
        ),
        ("emial=a".to_owned(), "parameter_unknown", "emial"),
        (
            "created[above]=1".to_owned(),
            "parameter_unknown",
            "created[above]",
        ),
    ] {
        let answer = sandbox.get(&format!("/v1/customers?{query}")).await;
        assert_eq!(answer.error(), (400, code, param), "{query}");
    }
    sandbox.stop().await;
}
