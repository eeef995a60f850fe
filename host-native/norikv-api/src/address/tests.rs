use super::*;

#[test]
fn an_address_comes_back_from_its_text() {
    for text in [
        "quic=127.0.0.1:7001,http=127.0.0.1:8001",
        "quic=[::1]:1,http=[fe80::1]:65535",
    ] {
        assert_eq!(text.parse::<NodeAddress>().unwrap().to_string(), text);
    }
}

#[test]
fn other_text_is_refused_by_name() {
    let refused = "http=127.0.0.1:1".parse::<NodeAddress>().unwrap_err();
    assert!(refused.to_string().contains("http=127.0.0.1:1"));
}
