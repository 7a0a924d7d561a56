#!/bin/sh
# How the demo ends when it is interrupted or its other process dies: soon, with a reason, without leaving a
# process behind, and with the terminal as it was.
# sh check_demo_end.sh DEMO FOLDER
set -eu
demo=$1 out=$2
rm -rf "$out"
mkdir -p "$out"
fail() { echo "$1"; for log in "$out"/log*; do tail -c 1500 "$log"; done; exit 1; }
children() { cat /proc/[0-9]*/stat 2>/dev/null | awk -v parent="$1" '$4 == parent {print $1}'; }
slow="--link 20kB/s --step 1 --tokens 4" # minutes, if nobody ends it

wait_for() { # FILE WORD
  for _ in $(seq 600); do
    grep -q "$2" "$1" 2>/dev/null && return 0
    sleep 0.1
  done
  fail "$2 did not come"
}
wait_end() { # PID: within a minute, of which a loaded machine may need some; its status in $result
  for _ in $(seq 600); do
    kill -0 "$1" 2>/dev/null || break
    sleep 0.1
  done
  kill -0 "$1" 2>/dev/null && fail "it does not end"
  result=0
  wait "$1" || result=$?
}
gone() { # PID: no process any more, or one that nobody has waited for
  for _ in $(seq 50); do
    [ -d "/proc/$1" ] && ! grep -q '^State:.*Z' "/proc/$1/status" 2>/dev/null || return 0
    sleep 0.1
  done
  return 1
}

# (A shell without job control starts with SIGINT ignored what runs in the background.)
default="env --default-signal=INT"
for signal in INT TERM; do
  $default "$demo" $slow >"$out/log" 2>&1 &
  pid=$!
  wait_for "$out/log" '^raw:'
  child=$(children $pid)
  [ -n "$child" ] || fail "there is no prefill process"
  sleep 0.3
  kill -$signal $pid
  wait_end $pid
  [ "$result" -gt 128 ] || fail "the status is $result after $signal"
  grep -q -e '^planecast-demo: interrupted' -e '^planecast-demo: told to end' "$out/log" || fail "it does not say why"
  gone $child || fail "the prefill process is left behind after $signal"
done

# The prefill process dies.
"$demo" $slow >"$out/log" 2>&1 &
pid=$!
wait_for "$out/log" '^raw:'
child=$(children $pid)
sleep 0.3
kill -KILL $child
wait_end $pid
[ "$result" -eq 1 ] || fail "the status is $result"
grep -q '^planecast-demo: the prefill process was ended: Killed' "$out/log" || fail "it does not say why"

# Each side of two that know nothing of each other dies.
port=$((10000 + 10 * ($$ % 2000))) # up to ten, below those that the system gives out
for dies in prefill decode; do
  "$demo" $slow --role decode --peer 127.0.0.1:$port >"$out/log.decode" 2>&1 &
  decode=$!
  "$demo" $slow --role prefill --peer 127.0.0.1:$port >"$out/log.prefill" 2>&1 &
  prefill=$!
  wait_for "$out/log.decode" '^raw:'
  wait_for "$out/log.prefill" '^raw'
  sleep 0.5
  if [ $dies = prefill ]; then killed=$prefill left=$decode log=decode; else killed=$decode left=$prefill log=prefill; fi
  kill -KILL $killed
  wait $killed || true
  wait_end $left
  [ "$result" -eq 1 ] || fail "the status of the other is $result"
  grep -q "^planecast-demo: the $dies side is gone" "$out/log.$log" || fail "the $log side does not say why"
done

# One side is told to end: the other says that it is gone, not what a transfer is told.
for signal in INT TERM; do
  for told in prefill decode; do
    port=$((port + 1))
    $default "$demo" $slow --role decode --peer 127.0.0.1:$port >"$out/log.decode" 2>&1 &
    decode=$!
    $default "$demo" $slow --role prefill --peer 127.0.0.1:$port >"$out/log.prefill" 2>&1 &
    prefill=$!
    wait_for "$out/log.decode" '^raw:'
    wait_for "$out/log.prefill" '^raw'
    sleep 0.5
    if [ $told = prefill ]; then one=$prefill left=$decode log=decode; else one=$decode left=$prefill log=prefill; fi
    kill -$signal $one
    wait_end $one
    [ "$result" -gt 128 ] || fail "the status is $result after $signal"
    grep -q -e '^planecast-demo: interrupted' -e '^planecast-demo: told to end' "$out/log.$told" || fail "it does not say why"
    wait_end $left
    [ "$result" -eq 1 ] || fail "the status of the other is $result"
    grep -q "^planecast-demo: the $told side is gone" "$out/log.$log" || fail "the $log side does not say why"
  done
done

# Two that were given something else say so at once, both of them.
port=$((port + 1))
"$demo" $slow --role decode --peer 127.0.0.1:$port --seed 2 >"$out/log.decode" 2>&1 &
decode=$!
"$demo" $slow --role prefill --peer 127.0.0.1:$port --policy 8 >"$out/log.prefill" 2>&1 &
prefill=$!
for side in decode prefill; do
  if [ $side = decode ]; then wait_end $decode; else wait_end $prefill; fi
  [ "$result" -eq 1 ] || fail "the status of the $side side is $result"
  for what in 'side was given something else' '^  the prompt: [0-9]* tokens .* here, [0-9]* tokens .* there$' '^  --policy: '; do
    grep -q -e "$what" "$out/log.$side" || fail "the $side side does not say: $what"
  done
  if grep -q -e '^raw' -e '--link: ' "$out/log.$side"; then fail "the $side side says too much"; fi
done

# If nobody dies, both end well; at an address with colons, where there is one.
port=$((port + 1))
host=127.0.0.1
if grep -q '^00000000000000000000000000000001 ' /proc/net/if_inet6 2>/dev/null; then host='[::1]'; fi
fast="--link 20MB/s --step 1 --tokens 8 --peer $host:$port"
"$demo" $fast --role prefill >"$out/log.prefill" 2>&1 &
prefill=$!
"$demo" $fast --role decode >"$out/log.decode" 2>&1 || fail "the decode side ended with $?"
wait $prefill || fail "the prefill side ended with $?"
grep -q '^cache equals the original  *yes  *no  *no  *yes$' "$out/log.decode" || fail "no table, or another"
grep -q '^answered with the hidden number  *yes  *[a-z]*  *[a-z]*  *yes$' "$out/log.decode" || fail "no answer"

# In a terminal: Ctrl-C, typed. The cursor comes back.
if command -v script >/dev/null && [ "$(uname)" = Linux ]; then
  mkfifo "$out/keys"
  TERM=xterm script -qec "$default $demo $slow" "$out/log.terminal" <"$out/keys" >/dev/null 2>&1 &
  pid=$!
  exec 3>"$out/keys"
  wait_for "$out/log.terminal" 'then decoding'
  sleep 0.5
  printf '\003' >&3
  wait_end $pid
  exec 3>&-
  [ "$result" -eq 130 ] || fail "the status is $result after Ctrl-C"
  grep -q 'planecast-demo: interrupted' "$out/log.terminal" || fail "it does not say why"
  tail -c 200 "$out/log.terminal" | grep -q '\[?25h' || fail "the cursor is left hidden"

  # One that is too narrow for bars gets plain lines.
  TERM=xterm script -qec "stty columns 45 rows 24; $demo --link 20MB/s --step 1 --tokens 8" "$out/log.narrow" \
    </dev/null >/dev/null 2>&1 || fail "it ended with $? in a narrow terminal"
  grep -q '^raw: the cache as it is' "$out/log.narrow" || fail "there are no plain lines"
  if grep -q "$(printf '\033')" "$out/log.narrow"; then fail "a narrow terminal gets more than plain lines"; fi
fi
echo "it ends well"
