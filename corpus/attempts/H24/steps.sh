cat tests.py run.py
head -c 300 /data/visible.json
