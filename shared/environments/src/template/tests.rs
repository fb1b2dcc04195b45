use super::*;

fn options(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

#[test]
fn every_carried_template_gets_its_hash() {
    for rendered in [network(), base(), lineage(), environment(&BTreeMap::new())] {
        let rendered = rendered.unwrap();
        assert_eq!(rendered.hash.len(), 16);
        let output = format!("  {HASH_OUTPUT}:\n");
        assert_eq!(rendered.text.matches(&output).count(), 1);
        let value = format!("    Value: \"{}\"\n", rendered.hash);
        assert!(rendered.text.ends_with(&value), "the hash is the last output");
    }
}

#[test]
fn the_hash_is_that_of_the_text_without_it() {
    let rendered = environment(&BTreeMap::new()).unwrap();
    let outputs = format!(
        "  {HASH_OUTPUT}:\n    Description: Hash of the template that the command line deployed.\n    Value: \"{}\"\n",
        rendered.hash
    );
    assert_eq!(rendered.text.replace(&outputs, ""), ENVIRONMENT);
    // `sha256sum`'s own vector for "abc".
    let digest = Sha256::digest(b"abc");
    assert_eq!(digest[..4], [0xba, 0x78, 0x16, 0xbf]);
}

#[test]
fn options_stand_between_the_marks_sorted_and_quoted() {
    let rendered = environment(&options(&[
        ("core.parallelism", "32"),
        ("a.quote", "say \"hi\": {no}"),
        ("smtp.smtp_host", "on"),
    ]))
    .unwrap();
    let expected = "        # options of pair.toml: begin\n        \"a.quote\": \"say \\\"hi\\\": {no}\"\n        \
                    \"core.parallelism\": \"32\"\n        \"smtp.smtp_host\": \"on\"\n        # options of pair.toml: end\n";
    assert!(rendered.text.contains(expected), "{}", rendered.text);
    let other = environment(&BTreeMap::new()).unwrap();
    assert_ne!(rendered.hash, other.hash);
}

#[test]
fn the_products_own_options_are_read_from_the_template() {
    let ours = product_options();
    for key in [
        "custom.environment_color",
        "custom.bluegreen_flag_parameter",
        "openlineage.transport",
    ] {
        assert!(ours.contains(&key), "{ours:?}");
    }
    for key in &ours {
        let lines = ENVIRONMENT.matches(&format!("\n        {key}: ")).count();
        assert_eq!(lines, 1, "{key}");
    }
}

const CONTROLLER: &str = include_str!("../../../../template.yaml");

fn functions() -> BTreeMap<String, String> {
    function_folders(CONTROLLER)
        .into_iter()
        .map(|folder| {
            let uri = format!("s3://bucket/artifacts/{folder}-1.zip");
            (folder, uri)
        })
        .collect()
}

#[test]
fn the_controllers_code_comes_from_s3() {
    let folders = [
        "functions/health-watcher",
        "functions/switch-handler",
        "functions/change-listener",
    ];
    assert_eq!(function_folders(CONTROLLER), folders);
    let rendered = controller(CONTROLLER, &functions()).unwrap();
    assert!(
        rendered
            .text
            .contains("      CodeUri: s3://bucket/artifacts/functions/health-watcher-1.zip\n")
    );
    assert!(!rendered.text.contains("CodeUri: functions"));
    assert_eq!(rendered.text.matches("  TemplateHash:\n").count(), 1);
    let mut others = functions();
    others.insert("functions/switch-handler".to_owned(), "s3://bucket/2.zip".to_owned());
    assert_ne!(controller(CONTROLLER, &others).unwrap().hash, rendered.hash);
}

#[test]
fn a_function_that_was_not_built_is_named() {
    let mut functions = functions();
    functions.remove("functions/switch-handler");
    let fault = controller(CONTROLLER, &functions).unwrap_err().to_string();
    assert!(
        fault.contains("CodeUri functions/switch-handler") && fault.contains("make functions"),
        "{fault}"
    );
    assert_eq!(controller("Outputs:\n", &functions), Err(TemplateFault::NoFunctions));
}

#[test]
fn a_comment_is_no_change_and_a_line_of_a_text_is_one() {
    let of = |text: &str| {
        super::hashed(&format!("{text}\nOutputs:\n  # template hash\n"))
            .unwrap()
            .hash
    };
    let text = "Resources:\n  A:\n    Code: |\n      # first\n      x\n    B: 1";
    let commented = "# new\nResources:\n\n  # of A\n  A:\n    Code: |\n      # first\n      x\n    # of B\n    B: 1";
    assert_eq!(of(text), of(commented));
    assert_ne!(of(text), of(&text.replace("# first", "# second")));
    assert_ne!(of(text), of(&text.replace("B: 1", "B: 2")));
}
