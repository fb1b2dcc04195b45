"""The features of Parameter Store that the flag protocol needs."""

from __future__ import annotations

import time

import pytest
from botocore.exceptions import ClientError

from support.local_functions import invoke

# The age of a stale read: a test must do its work in less.
STALE = 8


def put(client, name, value="blue", **more):
    return client("ssm").put_parameter(Name=name, Value=value, **{"Type": "String", **more})


def refused(call) -> str:
    with pytest.raises(ClientError) as error:
        call()
    return error.value.response["Error"]["Code"]


def event_for(local_aws, client, name, operation, since):
    """The `Parameter Store Change` event as a rule receives it, found by its place after the change in the timeline."""
    change = local_aws.wait_for("parameter", lambda d: d["name"] == name and d["operation"] == operation, since)
    return local_aws.wait_for("event", lambda d: d["detail_type"] == "Parameter Store Change", change["n"])


@pytest.mark.parametrize("operation", ["Create", "Update", "Delete", "LabelParameterVersion"])
def test_every_change_sends_an_event(local_aws, client, unique, operation):
    name, since = f"/{unique}/flag", local_aws.timeline_so_far()
    put(client, name)
    if operation == "Update":
        put(client, name, Overwrite=True)
    if operation == "Delete":
        client("ssm").delete_parameter(Name=name)
    if operation == "LabelParameterVersion":
        client("ssm").label_parameter_version(Name=name, Labels=["x"])
    assert event_for(local_aws, client, name, operation, since)["detail"]["source"] == "aws.ssm"


def test_a_refused_put_sends_no_event(local_aws, client, unique):
    put(client, f"/{unique}/a")
    since = local_aws.timeline_so_far()
    assert refused(lambda: put(client, f"/{unique}/a")) == "ParameterAlreadyExists"
    put(client, f"/{unique}/b")
    local_aws.wait_for("event", since=since)
    assert [e["detail"]["name"] for e in local_aws.timeline(since) if e["what"] == "parameter"] == [f"/{unique}/b"]


def test_the_timeline_tells_a_deleted_parameters_past(local_aws, client, unique):
    name, since = f"/{unique}/flag", local_aws.timeline_so_far()
    put(client, name, Description="why")
    modified = client("ssm").get_parameter(Name=name)["Parameter"]["LastModifiedDate"].timestamp()
    client("ssm").delete_parameter(Name=name)
    told = [e["detail"] for e in local_aws.timeline(since) if e["what"] == "parameter"]
    assert [(d["operation"], d["version"], d["description"]) for d in told] == [("Create", 1, "why"), ("Delete", 1, "why")]
    assert all(abs(d["modified"] - modified) < 0.001 for d in told)


def test_a_date_has_whole_milliseconds_wherever_it_is_shown(local_aws, client, unique):
    name, since = f"/{unique}", local_aws.timeline_so_far()
    for _ in range(10):
        client("ssm").put_parameter(Name=name, Value="x", Type="String", Overwrite=True)
    dates = [entry["LastModifiedDate"] for entry in client("ssm").get_parameter_history(Name=name)["Parameters"]]
    assert [date.microsecond % 1000 for date in dates] == [0] * 10
    assert client("ssm").get_parameter(Name=name)["Parameter"]["LastModifiedDate"] == dates[-1]
    noted = [entry["detail"]["modified"] for entry in local_aws.timeline(since) if entry["what"] == "parameter" and entry["detail"]["name"] == name]
    assert noted == [round(date.timestamp(), 3) for date in dates]


def test_root_is_named_as_the_author(client, unique):
    put(client, f"/{unique}")
    history = client("ssm").get_parameter_history(Name=f"/{unique}")["Parameters"]
    assert history[0]["LastModifiedUser"] == "arn:aws:iam::000000000000:root"


def test_a_function_is_named_as_the_author_by_its_role_session(client, function):
    answer = invoke(client, function, {"do": "ssm", "operation": "PutParameter",
                                       "body": {"Name": f"/{function}", "Value": "green", "Type": "String"}})
    assert answer["Version"] == 1
    session = f"arn:aws:sts::000000000000:assumed-role/tester/{function}"
    assert client("ssm").get_parameter_history(Name=f"/{function}")["Parameters"][0]["LastModifiedUser"] == session
    described = client("ssm").describe_parameters(ParameterFilters=[{"Key": "Name", "Values": [f"/{function}"]}])
    assert described["Parameters"][0]["LastModifiedUser"] == session


@pytest.mark.parametrize(("value", "allowed"), [("blue", True), ("green", True), ("Blue", False), ("blue\n", False), (" blue", False)])
def test_the_allowed_pattern_is_enforced(client, unique, value, allowed):
    def attempt():
        put(client, f"/{unique}", value, AllowedPattern="^(blue|green)$")
    if allowed:
        attempt()
    else:
        assert refused(attempt) == "ParameterPatternMismatchException"
        assert refused(lambda: client("ssm").get_parameter(Name=f"/{unique}")) == "ParameterNotFound"


def test_the_allowed_pattern_is_remembered(client, unique):
    put(client, f"/{unique}", AllowedPattern="^(blue|green)$")
    put(client, f"/{unique}", "green", Overwrite=True)
    assert refused(lambda: put(client, f"/{unique}", "red", Overwrite=True)) == "ParameterPatternMismatchException"


def test_a_hundred_versions_are_kept_with_their_descriptions_and_paged_oldest_first(client, unique):
    put(client, f"/{unique}", Description="version 1")
    for version in range(2, 104):
        assert put(client, f"/{unique}", Overwrite=True, Description=f"version {version}")["Version"] == version
    first = client("ssm").get_parameter_history(Name=f"/{unique}", MaxResults=50)
    second = client("ssm").get_parameter_history(Name=f"/{unique}", MaxResults=50, NextToken=first["NextToken"])
    both = first["Parameters"] + second["Parameters"]
    assert [p["Version"] for p in both] == list(range(4, 104))
    assert all(p["Description"] == f"version {p['Version']}" for p in both)
    assert "NextToken" not in second
    assert refused(lambda: client("ssm").get_parameter(Name=f"/{unique}:3")) == "ParameterVersionNotFound"


def test_a_label_on_the_oldest_of_a_hundred_versions_blocks_the_next(client, unique):
    put(client, f"/{unique}")
    client("ssm").label_parameter_version(Name=f"/{unique}", ParameterVersion=1, Labels=["keep"])
    for _ in range(99):
        put(client, f"/{unique}", Overwrite=True)
    assert refused(lambda: put(client, f"/{unique}", Overwrite=True)) == "ParameterMaxVersionLimitExceeded"
    assert client("ssm").get_parameter(Name=f"/{unique}")["Parameter"]["Version"] == 100


@pytest.mark.parametrize(("more", "code"), [
    ({"Value": "x" * 4097}, "ValidationException"),
    ({"Description": "x" * 1025}, "ValidationException"),
    ({"AllowedPattern": "("}, "InvalidAllowedPatternException"),
])
def test_limits_of_a_put(client, unique, more, code):
    assert refused(lambda: client("ssm").put_parameter(**{"Name": f"/{unique}", "Value": "blue", "Type": "String", **more})) == code


def test_a_name_has_at_most_fifteen_levels(client, unique):
    put(client, "/" + "/".join([unique] * 15))
    assert refused(lambda: put(client, "/" + "/".join([unique] * 16))) == "HierarchyLevelLimitExceededException"


def test_limits_of_reads(client, unique):
    assert refused(lambda: client("ssm").get_parameters(Names=[f"/{n}" for n in range(11)])) == "ValidationException"
    assert refused(lambda: client("ssm").get_parameters(Names=["/a", "/a"])) == "ValidationException"
    assert refused(lambda: client("ssm").get_parameters_by_path(Path="/", MaxResults=11)) == "ValidationException"
    put(client, f"/{unique}")
    assert refused(lambda: client("ssm").get_parameter_history(Name=f"/{unique}", MaxResults=51)) == "ValidationException"


def test_a_label_that_is_taken_off_lets_the_next_version_in(client, unique):
    put(client, f"/{unique}")
    for _ in range(99):
        put(client, f"/{unique}", Overwrite=True)
    client("ssm").label_parameter_version(Name=f"/{unique}", ParameterVersion=1, Labels=["keep"])
    answer = client("ssm").unlabel_parameter_version(Name=f"/{unique}", ParameterVersion=1, Labels=["keep", "other"])
    assert (answer["RemovedLabels"], answer["InvalidLabels"]) == (["keep"], ["other"])
    assert put(client, f"/{unique}", Overwrite=True)["Version"] == 101


def test_eleven_labels_are_one_too_many(client, unique):
    put(client, f"/{unique}")
    client("ssm").label_parameter_version(Name=f"/{unique}", Labels=[f"l{n}" for n in range(10)])
    assert refused(lambda: client("ssm").label_parameter_version(Name=f"/{unique}", Labels=["l10"])) == "ParameterVersionLabelLimitExceeded"


def test_a_deleted_parameter_starts_again_at_version_one(client, unique):
    put(client, f"/{unique}")
    put(client, f"/{unique}", Overwrite=True)
    client("ssm").delete_parameters(Names=[f"/{unique}"])
    assert put(client, f"/{unique}")["Version"] == 1


def test_a_stale_read_sees_the_past_and_a_write_does_not(local_aws, client, unique):
    put(client, f"/{unique}/flag", "blue")
    time.sleep(STALE + 0.5)
    put(client, f"/{unique}/flag", "green", Overwrite=True)
    put(client, f"/{unique}/new")
    fault = local_aws.add_fault("stale", "ssm", stale_seconds=STALE)
    ssm = client("ssm")
    assert ssm.get_parameter(Name=f"/{unique}/flag")["Parameter"]["Value"] == "blue"
    assert ssm.get_parameters(Names=[f"/{unique}/flag", f"/{unique}/new"])["InvalidParameters"] == [f"/{unique}/new"]
    assert [p["Version"] for p in ssm.get_parameter_history(Name=f"/{unique}/flag")["Parameters"]] == [1]
    assert [p["Value"] for p in ssm.get_parameters_by_path(Path=f"/{unique}")["Parameters"]] == ["blue"]
    assert refused(lambda: put(client, f"/{unique}/new")) == "ParameterAlreadyExists"
    assert put(client, f"/{unique}/flag", "blue", Overwrite=True)["Version"] == 3
    local_aws.clear_faults(fault)
    assert ssm.get_parameter(Name=f"/{unique}/flag")["Parameter"]["Version"] == 3


def test_a_stale_read_may_be_as_of_one_instant(local_aws, client, unique):
    """However long the test takes between its writes and after them."""
    put(client, f"/{unique}", "blue")
    between = time.time()
    put(client, f"/{unique}", "green", Overwrite=True)
    local_aws.add_fault("stale", "ssm", as_of=between)
    for _ in range(2):
        assert client("ssm").get_parameter(Name=f"/{unique}")["Parameter"]["Value"] == "blue"
        time.sleep(1)


def test_a_deleted_parameter_is_still_there_for_a_stale_read(local_aws, client, unique):
    put(client, f"/{unique}", "blue")
    time.sleep(STALE + 0.5)
    client("ssm").delete_parameter(Name=f"/{unique}")
    local_aws.add_fault("stale", "ssm", stale_seconds=STALE)
    assert client("ssm").get_parameter(Name=f"/{unique}")["Parameter"]["Value"] == "blue"


def test_a_parameter_can_be_made_older_than_it_is(local_aws, client, unique):
    name = f"/{unique}/claim"
    put(client, name)
    put(client, name, "green", Overwrite=True)
    local_aws.age_parameter(name, 90)
    old, young = (entry["LastModifiedDate"] for entry in client("ssm").get_parameter_history(Name=name)["Parameters"])
    assert 80 < (old - young).total_seconds() < 91
    assert client("ssm").get_parameter(Name=name)["Parameter"]["LastModifiedDate"] == young
    with pytest.raises(Exception, match="there is no parameter"):
        local_aws.age_parameter(f"{name}-other", 1)


def test_all_versions_of_a_parameter_can_be_made_older_than_they_are(local_aws, client, unique):
    name = f"/{unique}/flag"
    put(client, name)
    put(client, name, "green", Overwrite=True)

    def dates():
        return [entry["LastModifiedDate"].timestamp() for entry in client("ssm").get_parameter_history(Name=name)["Parameters"]]

    before = dates()
    local_aws.age_parameter(name, 86_400, every_version=True)
    assert [round(then - now) for then, now in zip(before, dates(), strict=True)] == [86_400, 86_400]
    assert client("ssm").get_parameter(Name=name)["Parameter"]["LastModifiedDate"].timestamp() == dates()[-1]


def test_a_value_may_not_refer_to_another_parameter(client, unique):
    assert refused(lambda: put(client, f"/{unique}", '{"reason": "{{ ds }}"}')) == "ValidationException"
    put(client, f"/{unique}", '{"a": {"b": {}}}')
