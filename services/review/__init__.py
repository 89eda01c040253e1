"""Reviews of delivered items, and the stores' responses.

Owns `review_db`: reviews, ratings of products, and the items that each customer may review.
Publishes ReviewPosted, ReviewUpdated, ReviewResponded.
Consumes OrderDelivered (who may review what) and CustomerErased.
"""
