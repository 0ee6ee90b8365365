python3 -c 'open("/tmp/half-done", "w").write("x" * 1000); raise SystemExit("out of luck")' || echo "a first try failed"
touch retry.tmp
