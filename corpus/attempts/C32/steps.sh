last=$(python3 history.py all | tail -n 1 | cut -d ' ' -f 1)
python3 history.py all | grep -i mend
python3 history.py show "$last" > durations.py
