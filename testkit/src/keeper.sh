#!/usr/bin/env bash
# The keeper of one run: parent of its servers, and the one who cleans up.
#   keeper.sh OWNER BORN RUN
# Runs while the process OWNER (born at BORN, as /proc/OWNER/stat counts) lives and RUN/down does not exist. Then it
# ends what is named in RUN/*/pid and RUN/processes/*, and removes RUN.
# A line "FOLDER" in RUN/control asks for FOLDER/start to be run: FOLDER/pid then holds process and birth.
# A server that must not be killed outright names another signal in FOLDER/signal.
set -u
owner=$1 born=$2 run=$3
trap : HUP INT TERM # for processes below they have their usual meaning again

# birth PID: sets BIRTH, empty where the process is gone or only a zombie. No fork: it runs five times a second.
birth() {
  local stat
  BIRTH=
  { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
  # shellcheck disable=SC2086
  set -- ${stat##*) } # what follows the name, which may hold anything
  [ "$1" != Z ] || return 1
  BIRTH=${20}
}

alive() { birth "$1" && [ "$BIRTH" = "$2" ]; }

start() { # FOLDER
  rm -f "$1/pid"
  bash "$1/start" </dev/null >>"$1/out.log" 2>&1 3>&- &
  birth $! || BIRTH=0
  echo "$! $BIRTH" >"$1/pid.new" && mv "$1/pid.new" "$1/pid"
}

end() { # FILE SIGNAL: of the process named in FILE
  local pid birth
  read -r pid birth <"$1" 2>/dev/null || return 0
  ! alive "$pid" "$birth" || kill "-$2" "$pid" 2>/dev/null
}

clean_up() {
  local file folder signal i left pid birth
  for file in "$run"/processes/*; do end "$file" KILL; done
  for file in "$run"/*/pid; do
    folder=${file%/pid} signal=KILL
    [ ! -e "$folder/signal" ] || read -r signal <"$folder/signal"
    end "$file" "$signal"
  done 2>/dev/null
  for ((i = 0; i < 80; i++)); do
    left=
    for file in "$run"/*/pid "$run"/processes/*; do
      { read -r pid birth <"$file"; } 2>/dev/null && alive "$pid" "$birth" && left=1
    done
    [ -n "$left" ] || break
    read -r -t 0.1 -u 3 _
  done
  for file in "$run"/*/pid; do end "$file" KILL; done 2>/dev/null
  # a process that was writing when it was killed may have made a file after rm listed its folder
  rm -rf "$run" 2>/dev/null || { read -r -t 0.5 -u 3 _; rm -rf "$run"; }
}

[ -p "$run/control" ] || mkfifo "$run/control"
exec 3<>"$run/control"
birth $$ && echo "$$ $BIRTH" >"$run/keeper"
asked=
while alive "$owner" "$born" && [ -d "$run" ] && [ ! -e "$run/down" ]; do
  # the time may be up in the middle of a line: what was read of it counts
  if IFS= read -r -t 0.2 -u 3 folder; then start "$asked$folder"; asked=; else asked+=$folder; fi
done
clean_up
