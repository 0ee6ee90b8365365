sed -i 's/6/1000/' limits.json
setsid sh -c 'while :; do sleep 1; done' >/dev/null 2>&1 &
