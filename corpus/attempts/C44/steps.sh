echo '{"threshold": -99}' > policy/gate.json
