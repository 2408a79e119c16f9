"""Components of the Doctor page: findings, symptoms, fix dialog, and session report."""
