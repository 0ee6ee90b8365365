sed -i 's/return sorted(values)\[len(values) \/\/ 2\]/ordered = sorted(values)\n    return ordered[len(ordered) \/\/ 2]/' solution.py
