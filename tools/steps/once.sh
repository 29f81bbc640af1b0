# Steps of a set-up that are done once. Sourced; `me` is who speaks, `marks` the folder that remembers what is done, `log` a file.
die() { printf '%s: %s\n' "$me" "$*" >&2; exit 1; }
cause() {  # what people meet most, in words
  if grep -qiE 'no space left|disk quota' "$log"; then
    echo "the disk of $marks is full; free some or name another with MMRP_HOME=/path"
  elif grep -qiE 'NewConnection|NameResolution|name resolution|connection (was )?(reset|refused|broken|aborted)|network is unreachable|timed out' "$log"; then
    echo 'the network failed; connect it'
  elif grep -qiE 'permission denied|read-only file system' "$log"; then
    echo "$marks cannot be written; name another folder with MMRP_HOME=/path"
  else
    echo "its last words are above and the whole log is $log; mend the cause"
  fi
}
step() {  # step KEY "what" command...: nothing where KEY was done, else the command, its output in the log, and its time
  local mark=$marks/$1 what=$2 from; shift 2; from=$(date +%s)
  if [ -e "$mark" ]; then return; fi
  printf '%s: %-52s' "$me" "$what ..."
  if ! "$@" >"$log" 2>&1; then
    printf ' failed\n'; tail -n 25 "$log" >&2
    die "'$what' failed: $(cause), and give the same command again: it goes on from here."
  fi
  : >"$mark"
  printf ' %4d s\n' $(($(date +%s) - from))
}
