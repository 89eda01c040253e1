"""Reviews: what customers say about what was delivered to them, and what stores answer.

Owns `review_db`: reviews, ratings of products, and which items were delivered to whom.
Publishes ReviewPosted, ReviewUpdated, ReviewResponded.
Hears OrderDelivered (who may review what) and CustomerErased.
"""
