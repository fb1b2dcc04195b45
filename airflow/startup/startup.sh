# Start-up script for MWAA: an environment without a working guard does not start.
#
# MWAA only logs a `pip install` of requirements.txt that fails, and starts Airflow all the same: a standby without its guard
# executes everything. A start-up script that ends before its time stops the container instead. Lines of your own go below.
#
# Where the wheel is. Empty: in the root of plugins.zip. Else a path, s3://bucket/key, or what pip is to install from your index.
MWAA_BLUEGREEN_WHEEL="${MWAA_BLUEGREEN_WHEEL:-}"
export MWAA_BLUEGREEN_WHEEL

# A shell of its own: MWAA's wrapper reads this file into its own shell, and takes `exit 1` there for an end in good order.
# Only a command that fails under `set -e` does not get that far.
set -e
bash -euo pipefail <<'MWAA_BLUEGREEN'
refuse() {
  echo "bluegreen: this environment is not started, because it has no working guard: $1" >&2
  exit 1
}

command -v python3 >/dev/null || refuse "there is no python3"
python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
  refuse "$(python3 --version) is too old; Python 3.10 or later is needed"

plugins="${AIRFLOW_HOME:-/usr/local/airflow}/plugins"
wheel="$MWAA_BLUEGREEN_WHEEL"
without_index=--no-index
case "$wheel" in
  "")
    shopt -s nullglob
    found=("$plugins"/mwaa_bluegreen-*.whl)
    [ "${#found[@]}" -gt 0 ] ||
      refuse "no mwaa_bluegreen-*.whl in $plugins; put it into the root of plugins.zip, or say in MWAA_BLUEGREEN_WHEEL where it is (s3://…)"
    [ "${#found[@]}" -eq 1 ] || refuse "more than one wheel: ${found[*]}; leave one in plugins.zip"
    wheel="${found[0]}"
    ;;
  s3://*/*)
    folder=$(mktemp -d)
    python3 - "$wheel" "$folder" <<'PYTHON' || refuse "$wheel could not be read; see above. The execution role needs s3:GetObject on it"
import sys
import boto3
from botocore.config import Config

bucket, _, key = sys.argv[1].removeprefix("s3://").partition("/")
config = Config(connect_timeout=10, read_timeout=30, retries={"mode": "standard", "total_max_attempts": 3})
boto3.client("s3", config=config).download_file(bucket, key, f"{sys.argv[2]}/{key.rpartition('/')[2]}")
PYTHON
    wheel="$folder/${wheel##*/}"
    ;;
  */*)
    [ -f "$wheel" ] || refuse "$wheel (MWAA_BLUEGREEN_WHEEL) is not there"
    ;;
  *)
    without_index=
    ;;
esac

# Without dependencies: boto3 is part of MWAA, and nothing must be asked of a network. Again, if it is there: it may be another's.
# shellcheck disable=SC2086
python3 -m pip install --quiet --disable-pip-version-check --no-input --no-deps --force-reinstall $without_index -- "$wheel" ||
  refuse "$wheel could not be installed; see above"

# As Airflow looks for it: in a process of its own, by its entry point.
python3 - <<'PYTHON' || refuse "$wheel is installed, and Airflow would not find its policy; see above"
from importlib.metadata import entry_points, version

found = [entry for entry in entry_points(group="airflow.policy") if entry.value == "mwaa_bluegreen.policy"]
if not found:
    raise SystemExit("no entry point mwaa_bluegreen.policy in the group airflow.policy")
if not callable(getattr(found[0].load(), "dag_policy", None)):
    raise SystemExit("mwaa_bluegreen.policy has no dag_policy")
print(f"bluegreen: the guard of mwaa-bluegreen {version('mwaa-bluegreen')} is in place")
PYTHON
MWAA_BLUEGREEN
set +e
