"""The old panel's database and statements, written from its columns alone (PHP 5.3, tables of its time)."""

from datetime import datetime
from decimal import Decimal
from typing import Any

LEGACY_DDL = (
    """CREATE TABLE discador_campanhas (
        id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(255) NOT NULL,
        status ENUM('active','paused','finished') DEFAULT 'active',
        max_channels INT DEFAULT 10, impulse_factor FLOAT DEFAULT 6.0, max_multiplier FLOAT DEFAULT 20.0,
        average_call_time INT DEFAULT 180, start_time TIME, end_time TIME, total_contacts INT DEFAULT 0,
        processed_contacts INT DEFAULT 0, successful_calls INT DEFAULT 0, created_at DATETIME, updated_at DATETIME
    ) ENGINE={engine} DEFAULT CHARSET=latin1""",
    """CREATE TABLE discador_contatos (
        id INT AUTO_INCREMENT PRIMARY KEY, campaign_id INT, name VARCHAR(255), phone_number VARCHAR(20),
        alternate_phone VARCHAR(20), attempts INT DEFAULT 0, max_attempts INT DEFAULT 3, last_attempt DATETIME,
        next_attempt DATETIME, status VARCHAR(50) DEFAULT 'pending', result VARCHAR(50), created_at DATETIME,
        updated_at DATETIME, KEY campaign_id (campaign_id)
    ) ENGINE={engine} DEFAULT CHARSET=latin1""",
    """CREATE TABLE painel_ramais (
        id INT AUTO_INCREMENT PRIMARY KEY, number VARCHAR(10) UNIQUE, name VARCHAR(255),
        status_line1 ENUM('free','busy','unregistered') DEFAULT 'unregistered',
        status_line2 ENUM('free','busy','unregistered') DEFAULT 'unregistered',
        last_activity DATETIME, registered TINYINT(1) DEFAULT 0
    ) ENGINE={engine} DEFAULT CHARSET=latin1""",
    """CREATE TABLE discador_chamadas (
        unique_id VARCHAR(32) NOT NULL PRIMARY KEY, source_extension VARCHAR(10), destination_extension VARCHAR(10),
        status ENUM('ringing','connected','finished') DEFAULT 'ringing', start_time DATETIME, answer_time DATETIME,
        end_time DATETIME, duration INT
    ) ENGINE={engine} DEFAULT CHARSET=latin1""",
)
"""`{engine}`: the legacy's servers made MyISAM tables unless told otherwise."""

LEGACY_ROWS = (
    "INSERT INTO discador_campanhas (name, status, created_at) VALUES ('Natal', 'active', '2026-02-01 08:00:00')",
    "INSERT INTO discador_contatos (campaign_id, name, phone_number) VALUES (1, 'João', '11987650001')",
    "INSERT INTO discador_contatos (campaign_id, name, phone_number, attempts, next_attempt, status, result) "
    "VALUES (1, 'Ana', '11987650002', 1, '2026-03-02 10:00:00', 'pending', 'busy')",
    "INSERT INTO discador_contatos (campaign_id, name, phone_number, attempts, next_attempt) "
    "VALUES (1, 'Rui', '11987650003', 1, '2026-03-02 10:00:01')",
    "INSERT INTO discador_contatos (campaign_id, name, phone_number, attempts, status) "
    "VALUES (1, 'Eva', '11987650004', 2, 'calling')",
    "INSERT INTO painel_ramais (number, name, status_line1, registered) VALUES ('1001', 'Mesa 1', 'free', 1)",
    "INSERT INTO discador_chamadas (unique_id, source_extension, destination_extension, status, start_time, duration) "
    "VALUES ('1262304000.17', '1001', '1187650001', 'finished', '2026-02-27 10:00:00', 0)",
)

PANEL_STATEMENTS: tuple[tuple[str, list[Any]], ...] = (
    (
        "INSERT INTO discador_contatos VALUES (NULL, 1, 'Lia', '11987650005', NULL, 0, 3, NULL, NULL, 'pending', NULL, "
        "'2026-03-01 00:00:00', '2026-03-01 00:00:00')",
        [],
    ),
    ("SELECT COUNT(*), SUM(attempts) FROM discador_contatos WHERE campaign_id = 1", [(5, Decimal(4))]),
    (
        "UPDATE discador_contatos SET status = 'calling', attempts = attempts + 1, "
        "last_attempt = '2026-03-02 10:00:00' "
        "WHERE campaign_id = 1 AND status = 'pending' AND attempts < max_attempts ORDER BY id LIMIT 1",
        [],
    ),
    ("SELECT id, status, attempts FROM discador_contatos WHERE last_attempt IS NOT NULL", [(1, "calling", 1)]),
    (
        "SELECT * FROM discador_contatos WHERE id = 5",
        [
            (
                5,
                1,
                "Lia",
                "11987650005",
                None,
                0,
                3,
                None,
                None,
                "pending",
                None,
                datetime(2026, 3, 1),
                datetime(2026, 3, 1),
            )
        ],
    ),
    (
        "INSERT INTO discador_chamadas VALUES ('1262304000.18', '1001', '1187650001', 'ringing', "
        "'2026-03-02 10:00:00', NULL, NULL, 0)",
        [],
    ),
    (
        "UPDATE discador_chamadas SET status = 'finished', answer_time = '2026-03-02 10:00:05', "
        "end_time = '2026-03-02 10:00:35', duration = 30 WHERE unique_id = '1262304000.18'",
        [],
    ),
    (
        "SELECT * FROM discador_chamadas WHERE unique_id = '1262304000.18'",
        [
            (
                "1262304000.18",
                "1001",
                "1187650001",
                "finished",
                datetime(2026, 3, 2, 10),
                datetime(2026, 3, 2, 10, 0, 5),
                datetime(2026, 3, 2, 10, 0, 35),
                30,
            )
        ],
    ),
    (
        "REPLACE INTO painel_ramais (number, name, status_line1, status_line2, registered) "
        "VALUES ('1001', 'Mesa 1', 'busy', 'free', 1)",
        [],
    ),
    ("SELECT number, status_line1, status_line2, registered FROM painel_ramais", [("1001", "busy", "free", 1)]),
    ("UPDATE discador_campanhas SET processed_contacts = processed_contacts + 1, status = 'paused' WHERE id = 1", []),
    (
        "SELECT name, status, processed_contacts, max_channels, average_call_time FROM discador_campanhas",
        [("Natal", "paused", 1, 10, 180)],
    ),
    ("INSERT INTO discador_campanhas (name) VALUES ('Páscoa')", []),
    ("DELETE FROM discador_campanhas WHERE name = 'Páscoa'", []),
)
"""What the panel does, in its order, with what it must see."""
